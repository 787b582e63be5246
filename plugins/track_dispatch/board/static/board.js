"use strict";
// Airflow shows these pages in a frame that may not move the window: links are handed to its own
// router, and a plain link is what is left where that is not there. A link between pages of the side
// bar's frame goes the same way: what a frame has in the history is dead once the window is reloaded.
const shell = window.parent !== window ? window.parent : null;
const airflow = new URL("..", document.baseURI);
const sideBar = `${airflow.pathname}plugin/pesquisas`;
// How long an answer of Airflow, and a decision's run, are waited for, in milliseconds.
const ANSWER = 30000;
const RUN = 300000;

function followTheme() {
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (shell) dark = shell.document.documentElement.classList.contains("dark");
  document.documentElement.classList.toggle("dark", dark);
}
followTheme();
if (shell) new MutationObserver(followTheme).observe(shell.document.documentElement, { attributeFilter: ["class"] });

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || !shell || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const ours = !("airflow" in link.dataset);
  if (ours && !shell.location.pathname.startsWith(sideBar)) return;
  event.preventDefault();
  shell.history.pushState({}, "", ours ? sideBar + link.pathname + link.search : link.pathname);
  shell.dispatchEvent(new shell.PopStateEvent("popstate", { state: {} }));
});

async function ask(path, body) {
  const more = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(new URL(`api/v2/dags/${path}`, airflow), { credentials: "same-origin", signal: AbortSignal.timeout(ANSWER), ...more });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(typeof found.detail === "string" ? found.detail : `HTTP ${answer.status}`);
  return found;
}

async function trigger(dag, conf) {
  if ((await ask(dag)).is_paused) throw new Error(`a DAG ${dag} está pausada: ative-a antes`);
  return ask(`${dag}/dagRuns`, { logical_date: null, conf });
}

async function ended(dag, run) {
  const last = Date.now() + RUN;
  while (!["success", "failed"].includes(run.state)) {
    if (Date.now() > last) throw new Error("a execução ainda não terminou; veja-a no Airflow");
    await new Promise((done) => setTimeout(done, 1500));
    run = await ask(`${dag}/dagRuns/${encodeURIComponent(run.dag_run_id)}`);
  }
  return run.state === "success";
}

// The task leaves its reason as an XCom; who may not read those finds it in the log.
async function whyNot(dag, run) {
  const path = `${dag}/dagRuns/${encodeURIComponent(run.dag_run_id)}/taskInstances/decide/xcomEntries/not_decided`;
  const found = await ask(path).catch(() => ({}));
  return found.value ?? "o log diz por quê.";
}

function tell(form, text, dag, run) {
  const output = form.querySelector("output");
  output.textContent = text;
  if (!run) return;
  const link = document.createElement("a");
  link.href = `../dags/${dag}/runs/${encodeURIComponent(run.dag_run_id)}`;
  link.dataset.airflow = "";
  link.textContent = "ver a execução";
  output.append(" ", link);
}

async function carryOut(form, dag, conf, begun) {
  const controls = [...form.elements].filter((one) => one.matches("input, button"));
  controls.forEach((one) => { one.disabled = true; });
  try {
    const run = await trigger(dag, conf);
    tell(form, begun, dag, run);
    if (form.dataset.run) return;
    if (await ended(dag, run)) {
      tell(form, "Feito.", dag, run);
      const after = form.nextElementSibling;
      if (after?.matches(".after") && ["settle_unsent", "retry_refused", "reopen_accepted"].includes(conf.what)) after.hidden = false;
      return;
    }
    tell(form, `Nada foi decidido: ${await whyNot(dag, run)}`, dag, run);
  } catch (error) {
    const personal = error.message.startsWith("Invalid input for param why");
    tell(form, `Não foi possível: ${personal ? form.dataset.refused : error.message}`);
  }
  controls.forEach((one) => { one.disabled = false; });
}

function decide(form, what) {
  const { batch, hospital, day } = form.dataset;
  const conf = { what, why: form.elements.why.value };
  if (batch) conf.batch = batch;
  if (hospital) Object.assign(conf, { hospital, business_day: day });
  if (what === "reopen_accepted") conf.confirmed = true;
  return carryOut(form, "track_decide", conf, "Em andamento…");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.run) {
    event.preventDefault();
    carryOut(form, form.dataset.run, { business_day: form.dataset.day }, "A execução começou:");
  } else if ("decide" in form.dataset) {
    event.preventDefault();
    const pressed = event.submitter ?? form.querySelector("button[name=what]");
    const confirm = form.querySelector(".confirm");
    confirm.querySelector("p").textContent = `${pressed.textContent}: ${pressed.dataset.confirm}`;
    confirm.hidden = false;
    const close = () => { confirm.hidden = true; };
    confirm.querySelector("[data-no]").onclick = () => { close(); pressed.focus(); };
    confirm.querySelector("[data-yes]").onclick = () => { close(); decide(form, pressed.value); };
    confirm.querySelector("[data-yes]").focus();
  }
});
