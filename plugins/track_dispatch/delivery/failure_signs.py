"""Whether an answer's JSON says that something went wrong, in whatever spelling.

A member's name says what it speaks of; its value has to be readable as good news. What speaks of
the outcome and cannot be read is a sign of failure, too: a failure that is taken for an acceptance
loses its patients silently, a doubt costs a person a look. Pure.

Source: docs/track-api.md#acceptance; to be confirmed with Track before going live.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from math import isfinite

from track_dispatch.records import without_accents

#: Parts of names and words that tell of a failure.
_FAILURE = (
    "erro|fail|falh|exception|reject|rejei|denied|invalid|refused|recus|negad|ignored|ignorad"
    "|skipped|dropped|discard|descart|blocked|bloquead|cancell?ed|cancelad|exceed|excedid|problem"
    "|throttl|duplicat|duplicad|simulat|simulad|abort|bounce|captcha|conflict|conflit|forbidden"
    "|proibid|incomplet|(?<!un)limited|partial|parcial|suspen|time_?out|timed_?out|violat|violac"
    "|excluded|exclui|missing|faltan|quarantin|paused|pausad|on_?hold|disabled|unable|unauthori"
    "|dry_?run|sandbox|test_?mode|limit_?reached|left_?out"
)
#: What an outcome is told with; behind a `not` or an `un` it tells of a failure.
_GOOD = (
    "accept|aceit|activ|ativ|allow|approv|aprovad|authen|autent|author|autori|availab|complet"
    "|conclu|creat|criad|deliver|disponiv|encontrad|entreg|enviad|found|import|insert|match"
    "|permit|process|queued|receb|receiv|regist|salv|saved|sched|sent|status|stored|succe|suce"
    "|support|taken|valid|verif"
)
_BAD = f"(?:^|_)(?:un|in|not|nao|non)(?:{_GOOD})|(?:^|_)(?:not|nao|non)_(?!before|after)"
_TELLS_FAILURE = re.compile(
    f"{_FAILURE}|^faults?$|^issues?$|(?:^|_)err(?:$|_|no|num|code|msg)"
    "|^(?:is_)?(?:demo|draft|expired|expirad[oa]|fake|mock|preview|rascunho|teste?)$"
    f"|{_BAD}"
)
_TELLS_NO_FAILURE = re.compile(f"(?:^|_)(?:no|not|nao|sem|without)_?(?:{_FAILURE})")
_NAMES_FAILURE = re.compile(f"(?:^|_)(?:{_FAILURE})|{_BAD}")
#: Words of failure among others, and what takes them back or says no by itself.
_WORD_OF_FAILURE = re.compile(f"(?:{_FAILURE}|fatal|err$|cannot|[a-z]+(?:error|exception|fault)$)")
_TAKES_BACK = frozenset({"0", "no", "sem", "without", "zero"})
_SAYS_NO = frozenset({"nada", "nao", "nenhum", "nenhuma", "never", "none", "not", "nothing"})
#: Members that hold a sentence on the outcome; any other text may speak of anything.
_SENTENCE = re.compile(
    "(?:^|_)(?:messages?|mensage(?:m|ns)|msg|details?|detalhes?|reasons?|motivos?)$"
)

#: Members that say whether it went well: some may as well count what did, or hold what was made.
_STATE = re.compile("^(?:is_?)?ok$|^(?:situacao|state)$|status")
_SUCCESS = re.compile("succe(?:s|ed)|suces")
_HOLDS = re.compile("^(?:outcome|result|resultado)$")
_LINES = (
    "(?:lines|linhas|rows|records|registros|customers|clientes|contacts|contatos|recipients"
    "|destinatarios|patients|pacientes|interactions|interacoes|invites|invitations|convites)"
)
#: Members that say which lines were taken, or how many, or when.
_TAKEN = re.compile(
    "^(?!.*status).*(?:accepted|aceit[oa]|imported|importad|inserted|inserid)"
    "|(?:success|sucess|succe|suces)[a-z]*_?(?:count|total|lines|linhas)"
    "|(?:count|total|qtde?)_?(?:success|suces)|^succeeded$|^successful$"
)
#: Members that may count or list the batch's lines.
_COUNTED = re.compile(
    "^(?:total|count|qtde?|quantidade)$"
    f"|^(?:import_|total_|num_|qtde?_)*(?:of_|de_)?{_LINES}(?:_count|_total)?$"
    "|^(?:line|row|record|customer|contact|recipient|patient|interaction)_?(?:count|total)$"
)
#: Members that say what was done, or will be: only a plain no is a sign of failure.
_DONE = re.compile(
    "^(?:is_|was_|foi_)?(?:active|ativ[oa]|allowed|approved|aprovad[oa]|authenticated|autenticad[oa]"
    "|authorized|autorizad[oa]|confirmed|confirmad[oa]|created|criad[oa]|delivered|entregue"
    "|enabled|enviad[oa]|permitted|processed|processad[oa]|queued|received|recebid[oa]"
    "|registered|registrad[oa]|saved|salv[oa]|scheduled|agendad[oa]|sent|stored|valid|valid[oa])$"
)
#: Members that hold a code of the outcome; any other code only where it is a failure of HTTP's.
_CODE = re.compile(
    "^(?:(?:http|api|return|ret|response|result|reply)_?)?code$|^codigo(?:_retorno|_resposta)?$"
)
_ANY_CODE = re.compile("code$|^codigo")

_YES = re.compile(
    "1|2[0-9]{2}|(?:2[0-9]{2}_)?(?:accepted|active|completed|created|done|ok|pending|pendente"
    "|processando|processing|queued|received|scheduled|sent|sim|succeeded|success|successful"
    "|sucesso|true|yes|(?:aceit|agendad|ativ|concluid|criad|enfileirad|enviad|recebid)[oa]"
    "|em_processamento|in_progress|in_queue|na_fila)"
)
_NO = frozenset({"false", "nao", "no", "none"})
_NOTHING = frozenset({"", "0", "false", "nao", "nenhum", "nenhuma", "no", "none", "null", "ok"})
_NUMBER = re.compile(r"(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)(?: *(?:/|of|de) *[0-9]{1,18})?")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[t ].*)?|[0-9]{2}/[0-9]{2}/[0-9]{4}(?: .*)?")

#: Characters of what may still be a word, or a name made of words.
LONGEST_WORD = 60
_WORD = re.compile(r"[^\W\d]+(?:[-.][^\W\d]+)*[-.]?[0-9]{0,4}")


def says_failure(document: object, *, lines: int = 1) -> bool:
    """Tell whether a member at any depth says that something went wrong, in whatever spelling.

    Args:
        document: parsed JSON.
        lines: how many must have been taken, where it counts them.
    """
    left = [(document, lines)]
    while left:
        value, lines = left.pop()
        if isinstance(value, list):
            each = 1 if len(value) >= lines else lines
            left += [(inner, each) for inner in value]
        elif isinstance(value, dict):
            if any(_is_sign_of_failure(name, inner, lines) for name, inner in value.items()):
                return True
            left += [(inner, lines) for name, inner in value.items() if not _counts_failures(name)]
        elif isinstance(value, str) and is_word_of_failure(value):
            return True
    return False


def is_sentence(name: str) -> bool:
    """Tell whether a member's name says that it holds a sentence on the outcome."""
    return _SENTENCE.search(_snake(name)) is not None


def _is_sign_of_failure(name: str, value: object, lines: int) -> bool:
    """Tell what a member says; the first kind of name that fits decides."""
    plain = _snake(name)
    return next((not good(value, lines) for kind, good in _KINDS if kind.search(plain)), False)


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
    if isinstance(value, (int, float)):
        return value == 1 or 200 <= value < 300
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
        return len(value) >= lines
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
    counts = value is None or isinstance(value, list) or _number(value) is not None
    return _is_enough(value, lines) or not counts


def _is_success(value: object, lines: int) -> bool:
    return is_yes(value) or (_number(value) or 0) >= lines


def _is_plain_yes(value: object) -> bool:
    return value is True or (isinstance(value, str) and bare(value) in {"sim", "true", "yes"})


def _is_plain_no(value: object) -> bool:
    return value is False or (isinstance(value, str) and bare(value) in _NO)


def _is_date(value: object) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(bare(value)) is not None


def _number(value: object) -> float | None:
    """Read a number, also one of a text and the first of `2/3`; None where there is none."""
    if isinstance(value, (int, float)):
        return value if not isinstance(value, bool) and isfinite(value) else None
    match = _NUMBER.fullmatch(bare(value)) if isinstance(value, str) else None
    return float(match[1]) if match else None


def is_word_of_failure(text: str) -> bool:
    """Tell whether a text is nothing but a word of failure, as `rate_limited` or `Failed.`."""
    word = text.strip(" \t\r\n.,:;!?\"'()[]")
    if len(word) > LONGEST_WORD or not _WORD.fullmatch(word):
        return False
    name = _snake(word)
    names_failure = _NAMES_FAILURE.search(name) and not _TELLS_NO_FAILURE.search(name)
    return bool(names_failure) or _tells_failure(_words(word))


def _is_bad_news(value: object) -> bool:
    """Tell whether a sentence on the outcome, or one of several, speaks of a failure or says no."""
    if isinstance(value, list):
        return any(_is_bad_news(inner) for inner in value)
    if not isinstance(value, str):
        return False
    words = _words(value)
    says_no = any(
        word in _SAYS_NO and not _WORD_OF_FAILURE.match(after)
        for word, after in zip(words, [*words[1:], ""], strict=True)
    )
    return says_no or _tells_failure(words)


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
    (_CODE, lambda value, _: is_yes(value) or _number(value) == 0),
    (_ANY_CODE, lambda value, _: not re.fullmatch("[45][0-9]{2}", str(value))),
    (_TAKEN, _is_enough),
    (_COUNTED, _is_counted),
    (_HOLDS, lambda value, _: _is_made_or_state(value)),
    (_SUCCESS, _is_success),
    (_STATE, lambda value, _: is_yes(value)),
    (_DONE, lambda value, _: not _is_plain_no(value)),
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
