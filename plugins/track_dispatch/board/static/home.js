// The card on Airflow's home page. No build step: Airflow puts React and its router on globalThis.
const { createElement: h, useEffect, useState } = globalThis.React;
const { useNavigate } = globalThis.ReactRouterDOM;
const { Box, Button, Heading, HStack, Text } = globalThis.ChakraUI;
const pages = new URL("..", import.meta.url);

function Card() {
  const [told, tell] = useState(null);
  const navigate = useNavigate();
  useEffect(() => {
    fetch(new URL("summary", pages), { credentials: "same-origin" })
      .then((answer) => (answer.ok || answer.status === 503 ? answer.json() : null))
      .then(tell, () => tell(null));
  }, []);
  if (!told) return null;
  const colour = told.red ? "red.solid" : "green.solid";
  const lines = told.more ? [...told.lines, `e mais ${told.more}`] : told.lines;
  return h(Box, { borderWidth: 1, borderLeftWidth: 6, borderLeftColor: colour, borderRadius: "md", p: 3, my: 3 },
    h(HStack, { justify: "space-between", alignItems: "start" },
      h(Box, null,
        h(Heading, { size: "sm", as: "h2" }, "Pesquisas"),
        h(Text, null, told.text),
        ...lines.map((line, at) => h(Text, { key: at, fontSize: "sm", color: "fg.muted" }, line))),
      h(Button, { size: "sm", flexShrink: 0, onClick: () => navigate("/plugin/pesquisas") }, "Abrir o painel")));
}
globalThis.AirflowPlugin = Card;
