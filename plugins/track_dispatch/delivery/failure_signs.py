"""Whether an answer's JSON says that something went wrong, in whatever spelling.

A member's name says what it speaks of; its value has to be readable as good news. What speaks of
the outcome and cannot be read is a sign of failure, too: a failure that is taken for an acceptance
loses its patients silently, a doubt costs a person a look. Pure.

Source: docs/track-api.md#acceptance; to be confirmed with Track before going live.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from math import isfinite

from track_dispatch.records import without_accents

#: Parts of names and words that tell of a failure.
_FAILURE = (
    "erro|fail|falh|exception|reject|rejei|denied|invalid|refused|recus|negad|ignored|ignorad"
    "|skipped|dropped|discard|descart|blocked|bloquead|cancell?ed|cancelad|exceed|excedid|problem"
    "|throttl|duplicat|duplicad|simulat|simulad|abort|bounce|captcha|conflict|conflit|forbidden"
    "|proibid|incomplet|(?<!un)limited|partial|parcial|suspen|time_?out|timed_?out|violat|violac"
    "|excluded|exclui|missing|faltan|quarantin|paused|pausad|on_?hold|disabled|unable|unauthori"
    "|dry_?run|sandbox|test_?mode|limit_?reached|left_?out|blacklist|opt_?outs?|bloque"
    "|unreach|retry_?(?:after|at|in)(?:_|$)|captcha|login_url|challenge"
)
#: What an outcome is told with; behind a `not` or an `un` it tells of a failure.
_GOOD = (
    "accept|aceit|activ|ativ|allow|approv|aprovad|authen|autent|author|autori|availab|complet"
    "|conclu|creat|criad|deliver|disponiv|encontrad|entreg|enviad|found|import|insert|match"
    "|permit|process|queued|receb|receiv|regist|salv|saved|sched|sent|status|stored|succe|suce"
    "|support|taken|valid|verif"
)
_NEGATED = f"(?:^|_)(?:un|in|not|nao|non)(?:{_GOOD})|(?:^|_)(?:not|nao|non)_(?!before|after)"
_TELLS_FAILURE = re.compile(
    f"{_FAILURE}|^fault|^issues?$|^lost$|^skips?$|^stack(?:_?trace)?$|^trace(?:back)?$"
    "|unsubscribed$|^(?:needs|requires?)_|(?:^|_)(?:bad|ko|nok|wrong)(?:_|$)"
    "|(?:^|_)err(?:$|_|no|num|code|msg)"
    "|^(?:is_)?(?:demo|draft|expired|expirad[oa]|fake|mock|preview|rascunho|teste?)$"
    f"|{_NEGATED}"
)
_TELLS_NO_FAILURE = re.compile(f"(?:^|_)(?:no|not|nao|sem|without)_?(?:{_FAILURE})")
_NAMES_FAILURE = re.compile(f"(?:^|_)(?:{_FAILURE})|{_NEGATED}")
#: Words of failure among others, and what takes them back or says no by itself.
_WORD_OF_FAILURE = re.compile(
    f"(?:{_FAILURE}|critical$|fatal$|err$|cannot$|ko$|nok$|[a-z]+(?:error|exception|fault)$)"
)
_SAYS_SOMETHING = re.compile(f"(?:{_GOOD}|agend|enfileir|inici|obrigad|ok$|start|thank|{_FAILURE})")
_TAKES_BACK = frozenset({"0", "no", "sem", "without", "zero"})
_SAYS_NO = frozenset(
    {
        "couldn", "didn", "hasn", "isn", "nada", "nao", "nenhum", "nenhuma", "never", "none",
        "not", "nothing", "wasn", "weren",
    }
)  # fmt: skip
#: Members that hold a sentence on the outcome; any other text may speak of anything.
_SENTENCE = re.compile(
    "(?:^|_)(?:messages?|mensage(?:m|ns)|msg|info|details?|detalhes?|reasons?|motivos?)$"
)

#: Members that say whether it went well: some may as well count what did, or hold what was made.
_STATE = re.compile("^(?:is_?)?ok$|^(?:situacao|state)$|status")
_SUCCESS = re.compile("succe(?:s|ed)|suces")
_HOLDS = re.compile("^(?:outcome|reply|response|resposta|result|resultado)$")
_LINES = (
    "(?:lines|linhas|rows|records|registros|customers|clientes|contacts|contatos|emails|recipients"
    "|destinatarios|patients|pacientes|interactions|interacoes|invites|invitations|convites)"
)
#: Members that say which lines were taken, or how many, or when.
_TAKEN = re.compile(
    "^(?!.*(?:status|_by$|_por$|_url$)).*(?:accepted|aceit[oa]|imported|importad|inserted|inserid)"
    "|(?:success|sucess|succe|suces)[a-z]*_?(?:count|total|lines|linhas)"
    "|(?:count|total|qtde?)_?(?:success|suces)|^succeeded$|^successful$"
)
#: Members that may count or list the batch's lines.
_COUNTED = re.compile(
    "^(?:total|count|qtde?|quantidade|results|resultados|items|itens)$"
    "|^(?:affected_rows|batch_size|imports|length|rows_affected|size)$"
    f"|^(?:import_|total_|num_|qtde?_)*(?:of_|de_)?{_LINES}(?:_count|_total)?$"
    "|^(?:line|row|record|customer|contact|recipient|patient|interaction|import|invite)_?"
    "(?:count|total)$"
)
#: Members that say what was written down, which is done with all lines at once.
_KEPT = (
    "(?:added|adicionad[oa]|cadastrad[oa]|created|criad[oa]|enqueued|enfileirad[oa]|good"
    "|gravad[oa]|incluid[oa]|ok|queued|received|recebid[oa]|registered|registrad[oa]|salv[oa]"
    "|saved|stored"
    "|taken|valid|valid[oa])s?"
)
_WRITTEN = re.compile(
    f"^(?:is_|was_|foi_|total_|num_|qtde?_)?{_KEPT}(?:_(?:{_LINES}|count|total))?$"
    f"|^(?:{_LINES}|count|total)_{_KEPT}$"
)
#: Members that say what was done, or will be: only a plain no is a sign of failure.
_DONE = re.compile(
    "^(?:is_|was_|foi_)?(?:active|ativ[oa]|allowed|approved|aprovad[oa]|authenticated"
    "|autenticad[oa]|authorized|autorizad[oa]|confirmed|confirmad[oa]|delivered|entregue"
    "|enabled|enviad[oa]|permitted|processed|processad[oa]|scheduled|agendad[oa]|sent)$"
)
#: Members that hold a code of the outcome; any other code only where it is a failure of HTTP's.
_CODE = re.compile(
    "^(?:(?:http|api|return|ret|response|result|reply|exit)_?)?code$|^http$|^cod$|^rc$|^ret$"
    "|^codigo(?:_retorno|_resposta)?$|^ret(?:urn|orno)$"
)
_ANY_CODE = re.compile("code$|^codigo")

#: What a yes-or-no may be about whose either value tells nothing of the outcome; and only its no.
_EITHER = re.compile(
    "(?:^|_)(?:anonim|anonym|assinc|async|auto|bot|consent|custom|default|editable|email|external"
    "|has_more|has_next|html|include|internal|lembrete|lgpd|multi|new|notif|novo|padrao|privat"
    "|public|recorr|recurr|remind|short|sms|sync|track|unic|unlimited|ilimitad|unique|visible"
    "|whatsapp)"
)
_NOT_YET = re.compile(
    "(?:^|_)(?:answered|archived|arquivad|clicked|closed|complete|concluid|deleted|done|excluid"
    "|fechad|finalizad|finished|locked|opened|read$|read_?only|removed|removid|respondid|viewed)"
)
_GOOD_NAME = re.compile(f"^(?:is_|was_|foi_|all_)?(?:{_GOOD}|passed|ready|started|live)|ok$")
_NONE_OF = re.compile(f"(?:^| )(?:0|no|zero) {_LINES}|can t ")

_YES = re.compile(
    "(?:2[0-9]{2}_)?(?:accepted|active|aguardando|completed|created|done|importing|new"
    "|novo|ok|pending|pendente|processando|processing|queued|received|running|s|scheduled|sent|sim"
    "|started|submitted|succeeded|success|successful|sucesso|true|waiting|y|yes"
    "|(?:aceit|agendad|ativ|concluid|criad|enfileirad|enviad|recebid)[oa]"
    "|em_processamento|in_progress|in_queue|na_fila)"
)
_NO = frozenset({"false", "nao", "no"})
_NOTHING = frozenset({"", "0", "false", "nao", "nenhum", "nenhuma", "no", "none", "null", "ok"})
_NUMBER = re.compile(r"(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)(?: *(?:/|of|de) *[0-9]{1,18})?")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[t ].*)?|[0-9]{2}/[0-9]{2}/[0-9]{4}(?: .*)?")

#: Characters of what may still be a word, or a name made of words.
LONGEST_WORD = 60
_PAGE = re.compile("<!doctype|<html", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d]+(?:[-.][^\W\d]+)*[-.]?[0-9]{0,4}")


def says_failure(document: object, *, lines: int = 1, strict: bool = False) -> bool:
    """Tell whether a member at any depth says that something went wrong, in whatever spelling.

    Args:
        document: parsed JSON.
        lines: how many must have been taken, where it counts them.
        strict: whether a yes-or-no, a sentence or a list of numbers that nobody understands is
            taken for bad news, too.
    """
    return next(signs_of_failure(document, lines=lines, strict=strict), None) is not None


def signs_of_failure(document: object, *, lines: int, strict: bool) -> Iterator[str]:
    """Yield the name of every member that is a sign of failure, as `says_failure` takes them."""
    left = [("", document, lines)]
    while left:
        name, value, lines = left.pop()
        if isinstance(value, list):
            each = 1 if len(value) >= lines else lines
            left += [(name, inner, each) for inner in value]
        elif isinstance(value, dict):
            for inner_name, inner in value.items():
                if _is_sign_of_failure(inner_name, inner, lines, strict):
                    yield inner_name
                elif not _counts_failures(inner_name):
                    left.append((inner_name, inner, lines))
        elif isinstance(value, str) and is_word_of_failure(value):
            yield name


def is_sentence(name: str) -> bool:
    """Tell whether a member's name says that it holds a sentence on the outcome."""
    return _SENTENCE.search(_snake(name)) is not None


def _is_sign_of_failure(name: str, value: object, lines: int, strict: bool) -> bool:
    """Tell what a member says; the first kind of name that fits decides."""
    plain = _snake(name)
    try:
        for kind, good in _KINDS:
            if kind.search(plain):
                is_read = not strict or kind is not _SENTENCE or _is_good_news(value)
                return not (is_read and good(value, lines))
        return strict and not _is_understood(plain, value)
    except RecursionError:  # deeper than anybody means it
        return True


def _is_understood(name: str, value: object) -> bool:
    """Tell whether what stands under a name of no kind cannot be about the outcome."""
    if isinstance(value, list):
        numbers = [inner for inner in value if _number(inner) is not None]
        return not numbers and False not in value
    if _EITHER.search(name) or not (_is_plain_yes(value) or _is_plain_no(value)):
        return True
    return bool((_NOT_YET if _is_plain_no(value) else _GOOD_NAME).search(name))


def _is_plain_no(value: object) -> bool:
    return value is False or (isinstance(value, str) and bare(value) in _NO)


def _counts_failures(name: str) -> bool:
    return _TELLS_FAILURE.search(_snake(name)) is not None


def _is_nothing(value: object) -> bool:
    """Tell whether what counts or lists failures has none."""
    if isinstance(value, str):
        return bare(value) in _NOTHING
    if isinstance(value, dict):
        return all(_is_nothing(inner) for inner in value.values())
    return not value


def is_yes(value: object) -> bool:
    """Tell whether a state is plainly a good one."""
    if isinstance(value, bool):
        return value
    number = _number(value)
    if number is not None:
        return number == 1 or 200 <= number < 300
    if isinstance(value, str):
        return _YES.fullmatch(_snake_text(value)) is not None
    if isinstance(value, dict):
        told = [inner for name, inner in value.items() if _snake(name) not in {"id", "uuid"}]
        return bool(told) and all(is_yes(inner) or _is_date(inner) for inner in told)
    return isinstance(value, list) and bool(value) and all(is_yes(inner) for inner in value)


def _is_enough(value: object, lines: int) -> bool:
    """Tell whether what says which lines were taken, or how many, leaves none out."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        objects = sum(isinstance(inner, (dict, list)) for inner in value)
        others = {str(inner) for inner in value if isinstance(inner, (int, str, float))}
        return objects + len(others - {"False"}) >= lines
    if isinstance(value, dict):
        return bool(value) and all(_is_enough(inner, lines) for inner in value.values())
    number = _number(value)
    if number is not None:
        return number >= lines
    return _is_plain_yes(value) or _is_date(value)


def _is_made_or_state(value: object) -> bool:
    return is_yes(value) or (isinstance(value, (dict, list)) and bool(value))


def _is_counted(value: object, lines: int) -> bool:
    """Tell whether nothing that counts or lists the lines leaves some out; a link does not."""
    counts = isinstance(value, list) or value in (None, "", {}) or _number(value) is not None
    return _is_enough(value, lines) or not counts


def _is_success(value: object, lines: int) -> bool:
    return is_yes(value) or (_number(value) or 0) >= lines


def _is_plain_yes(value: object) -> bool:
    return value is True or (isinstance(value, str) and bare(value) in {"sim", "true", "yes"})


def _is_done(value: object) -> bool:
    """Tell whether what was done, when, or how often is no plain no, and no text but a date."""
    number = _number(value)
    if number is not None:
        return number >= 0
    is_text = isinstance(value, str) and value.strip() != ""
    return value is not False and (not is_text or is_yes(value) or _is_date(value))


def _is_date(value: object) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(bare(value)) is not None


def _number(value: object) -> float | None:
    """Read a number, also one of a text and the first of `2/3`; None where there is none."""
    if isinstance(value, bool) or (isinstance(value, float) and not isfinite(value)):
        return None
    if isinstance(value, (int, float)):
        return value
    match = _NUMBER.fullmatch(bare(value)) if isinstance(value, str) else None
    return float(match[1]) if match else None


def is_word_of_failure(text: str) -> bool:
    """Tell whether a text is but a word of failure, as `rate_limited` or `Failed.`, or a page."""
    word = text.strip(" \t\r\n.,:;!?\"'()[]")
    if _PAGE.match(word):
        return True
    if len(word) > LONGEST_WORD or not _WORD.fullmatch(word):
        return False
    name = _snake(word)
    names_failure = _NAMES_FAILURE.search(name) and not _TELLS_NO_FAILURE.search(name)
    return bool(names_failure) or _tells_failure(_words(word))


def _is_bad_news(value: object) -> bool:
    """Tell whether a sentence on the outcome, or one of several, speaks of a failure or says no."""
    if isinstance(value, list):
        return any(_is_bad_news(inner) for inner in value)
    if isinstance(value, dict):
        return any(_is_bad_news(inner) for inner in value.values())
    if not isinstance(value, str):
        return False
    words = _words(value)
    if _NONE_OF.search(" ".join(words)) or _leaves_some(words):
        return True
    says_no = any(
        word in _SAYS_NO and not _WORD_OF_FAILURE.match(after)
        for word, after in zip(words, [*words[1:], ""], strict=False)
    )
    return says_no or _tells_failure(words)


def _leaves_some(words: list[str]) -> bool:
    """Tell whether words say something like `2 of 3`."""
    triples = zip(words, words[1:], words[2:], strict=False)
    return any(
        link in {"de", "of"} and part.isdigit() and whole.isdigit() and float(part) < float(whole)
        for part, link, whole in triples
    )


def _is_good_news(value: object) -> bool:
    """Tell whether a sentence says what was done; one that is empty says nothing."""
    if isinstance(value, list):
        return all(_is_good_news(inner) for inner in value)
    if not isinstance(value, str):
        return True
    return not value.strip() or any(_SAYS_SOMETHING.match(w) for w in _words(value))


def _tells_failure(words: list[str]) -> bool:
    """Tell whether words speak of a failure, and not of there being none."""
    return any(
        _WORD_OF_FAILURE.match(word) and before not in _TAKES_BACK | _SAYS_NO
        for before, word in zip(["", *words], words, strict=False)
    )


#: What a value must be, by the first of the kinds of names that fits.
_KINDS: tuple[tuple[re.Pattern[str], Callable[[object, int], bool]], ...] = (
    (_TELLS_NO_FAILURE, lambda value, _: _is_plain_yes(value)),
    (_TELLS_FAILURE, lambda value, _: _is_nothing(value)),
    (_CODE, lambda value, _: _number(value) == 0 or (is_yes(value) and _number(value) != 1)),
    (_ANY_CODE, lambda value, _: not re.fullmatch("[45][0-9]{2}", str(value))),
    (_TAKEN, _is_enough),
    (_COUNTED, _is_counted),
    (_HOLDS, lambda value, _: _is_made_or_state(value)),
    (_SUCCESS, _is_success),
    (_STATE, lambda value, _: is_yes(value)),
    (_WRITTEN, lambda value, lines: _is_counted(value, lines) and _is_done(value)),
    (_DONE, lambda value, _: _is_done(value)),
    (_SENTENCE, lambda value, _: not _is_bad_news(value)),
)


def _words(text: str) -> list[str]:
    """Split a text into words and numbers, `InvalidToken` and `not_found` as well."""
    return re.findall("[a-z]+|[0-9]+", _apart(text))


def _snake(name: str) -> str:
    """Return a member's name in small letters, its words apart: `notAccepted` is `not_accepted`."""
    return re.sub("[^a-z]+", "_", _apart(name)).strip("_")


def _snake_text(text: str) -> str:
    return re.sub("[^a-z0-9]+", "_", bare(text)).strip("_")


def _apart(text: str) -> str:
    return bare(re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKD", text)))


def bare(text: str) -> str:
    """Return a text in small letters without accents and without white space around it."""
    return without_accents(text.strip().casefold())
