"""The stand-in of the Track CXM API as tests, demo and command line use it."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from stand_ins.track_api.answers import ErrorsForm
from stand_ins.track_api.exchange import Exchange
from stand_ins.track_api.faults import QUICK, Fault, Travel
from stand_ins.track_api.judge import ContentRule
from stand_ins.track_api.listener import Listener
from stand_ins.track_api.record import Received, Record
from stand_ins.track_api.service import TrackService
from stand_ins.track_api.summary import accepted_counts, accepted_twice, summarize
from stand_ins.track_api.terms import LINE_FIELDS, ContractTerms, Survey, by_uuid, now

#: Lines by their `cd_atendimento`, or by a predicate over the line.
Choice = Collection[str] | Callable[[Mapping[str, str]], bool]

#: What a stand-in answers to unless told otherwise: made up for tests and demo.
ORGANIZATION = "0f5a1b52-7c1e-4c55-9d0e-3b1f6a2c9d10"
TOKEN = "stand-in-token"


class TrackStandIn:
    """A Track API on a loopback port: `with TrackStandIn(surveys={uuid: name}) as api: ...`.

    Args:
        surveys: The surveys, as records or as names by UUID.
        organization: UUID in the path; another one is answered by 403.
        token: The bearer token; another one is answered by 401.
        identifier: The field that every line must fill.
        line_fields: The keys that a line may have.
        max_lines: More lines in one POST are answered by 413.
        clock: Tells the time, aware; `validity_at` must lie ahead of it.
        bare_list: Answer the list of surveys without page counts.
        form: How the answers to broken rules name lines.
        refused_email_domain: Lines with an address there are refused by a 422 that names them.
        keep_bodies: Keep the bodies of the POSTs; False saves memory.
        host: Where to listen.
        port: Where to listen; 0 for a free one.
    """

    def __init__(
        self,
        *,
        surveys: Mapping[str, str] | Iterable[Survey],
        organization: str = ORGANIZATION,
        token: str = TOKEN,
        identifier: str = "cd_atendimento",
        line_fields: Collection[str] = LINE_FIELDS,
        max_lines: int = 100,
        clock: Callable[[], datetime] = now,
        bare_list: bool = False,
        form: ErrorsForm = ErrorsForm.BY_KEY,
        refused_email_domain: str | None = None,
        keep_bodies: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.terms = ContractTerms(
            organization=organization,
            token=token,
            surveys=by_uuid(surveys),
            identifier=identifier,
            line_fields=frozenset(line_fields),
            max_lines=max_lines,
            clock=clock,
        )
        self._listener = Listener(host, port, self._serve)
        self._service = TrackService(
            terms=self.terms,
            refuse_connections=self._listener.close,
            stopping=self._listener.stopping,
            record=Record(keep_bodies=keep_bodies),
            bare_list=bare_list,
            form=form,
        )
        self._marked: tuple[ContentRule, ...] = ()
        if refused_email_domain is not None:
            suffix = f"@{refused_email_domain}"
            self.reject(lambda line: line.get("email", "").endswith(suffix))
            self._marked = tuple(self._service.rules)

    # -- life ----------------------------------------------------------------------

    def start(self) -> Self:
        """Listen."""
        self._listener.start()
        return self

    def stop(self) -> None:
        """Stop at once, whatever is going on; what was received stays readable."""
        self._listener.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self, connection: socket.socket, number: int) -> None:
        Exchange(connection, number, self._service)

    # -- what it is ----------------------------------------------------------------

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._listener.host

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port

    @property
    def url(self) -> str:
        """The base of every path."""
        return f"http://{self.host}:{self.port}"

    @property
    def surveys_url(self) -> str:
        """Where the surveys are listed."""
        return f"{self.url}/v1/organizations/{self.terms.organization}/surveys"

    @property
    def distributions_url(self) -> str:
        """Where distributions are posted."""
        return f"{self.url}/v1/organizations/{self.terms.organization}/distributions"

    # -- what it was sent ----------------------------------------------------------

    @property
    def received(self) -> tuple[Received, ...]:
        """Every POST to `distributions` up to now; an answered one is always there."""
        return self._service.record.all()

    @property
    def is_quiet(self) -> bool:
        """Whether no connection is open: what its clients sent is on record, even if they died."""
        return self._listener.is_quiet

    @property
    def requests(self) -> Counter[str]:
        """Count requests: `surveys`, `distributions`, `moved` (a redirect followed), `other`."""
        return self._service.requests.copy()

    @property
    def violations(self) -> list[str]:
        """Tell what a client must never do: two POSTs to a survey at once, a followed redirect."""
        return list(self._service.violations)

    @property
    def scripted_left(self) -> int:
        """How many scripted POSTs have not come yet."""
        return self._service.post_script.left

    def accepted_ids(self, survey_uuid: str | None = None) -> Counter[str]:
        """Count how often each `cd_atendimento` was accepted, by one survey or over all of them."""
        counts: Counter[str] = Counter()
        for (survey, attendance), count in accepted_counts(self.received).items():
            if survey_uuid in {None, survey}:
                counts[attendance] += count
        return counts

    def accepted_twice(self) -> list[tuple[str, str]]:
        """List (unidade, `cd_atendimento`) accepted more than once; the promise: none."""
        return accepted_twice(self.received)

    def summary(self) -> dict[str, Any]:
        """Take what `/received.json` shows."""
        return summarize(
            self.received,
            surveys=self.terms.surveys,
            requests=self.requests,
            violations=self.violations,
        )

    # -- how it misbehaves ---------------------------------------------------------

    def script(self, *faults: Fault | None) -> None:
        """Give the next POSTs these faults in order; None lets one through in peace."""
        self._service.post_script.add(faults)

    def script_surveys(self, *faults: Fault | None) -> None:
        """Give the next GETs of the surveys these faults in order.

        Raises:
            ValueError: A refused connection cannot be scripted here: use `refusing`.
        """
        if any(fault and fault.travel is Travel.REFUSED for fault in faults):
            raise ValueError("use refusing() to refuse the connection of a GET")
        self._service.survey_script.add(faults)

    def random_faults(self, *, seed: int, rate: float, kinds: Sequence[Fault] = QUICK) -> None:
        """Draw a fault for that share (0 to 1) of the POSTs that find nothing scripted."""
        self._service.post_script.randomize(seed=seed, rate=rate, kinds=kinds)

    def reject(
        self,
        which: Choice,
        *,
        status: int = 422,
        named: bool = True,
        form: ErrorsForm = ErrorsForm.BY_KEY,
    ) -> None:
        """Refuse every batch that holds such a line, naming these lines or (`named=False`) none."""
        self._service.rules.append(
            ContentRule(applies=_predicate(which), status=status, named=named, form=form)
        )

    def refuse_in_acceptance(self, which: Choice, *, form: ErrorsForm = ErrorsForm.BY_KEY) -> None:
        """Accept batches that hold such lines, but for these: a 201 whose `errors` names them."""
        self._service.rules.append(
            ContentRule(applies=_predicate(which), status=201, named=True, form=form)
        )

    def behave(self) -> None:
        """Forget scripts, random faults and rules, but for the e-mail domain set at the start."""
        self._service.post_script.clear()
        self._service.survey_script.clear()
        self._service.rules[:] = self._marked

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse every connection meanwhile."""
        self._listener.close()
        try:
            yield
        finally:
            self._listener.open()

    def listen_again(self) -> None:
        """End a scripted `refuse_connections` that has no end of its own."""
        self._listener.open()


def _predicate(which: Choice) -> Callable[[Mapping[str, str]], bool]:
    if callable(which):
        return which
    chosen = frozenset(which)
    return lambda line: line.get("cd_atendimento") in chosen
