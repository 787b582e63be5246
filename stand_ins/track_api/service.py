"""What happens to each request: where it goes, what it deserves, what is recorded of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from stand_ins.track_api.answers import (
    ErrorsForm,
    Problem,
    Reply,
    document,
    page,
    problem_document,
)
from stand_ins.track_api.contract import ContractError, check_caller, read_document
from stand_ins.track_api.exchange import PLAIN, Exchange
from stand_ins.track_api.faults import REDIRECT_PATH, Fault, LineRefusal, Travel
from stand_ins.track_api.judge import ContentRule, Judgement, Request, judge, readable_lines
from stand_ins.track_api.page import render
from stand_ins.track_api.record import Fate, Line, Received, Record
from stand_ins.track_api.script import Script
from stand_ins.track_api.summary import summarize
from stand_ins.track_api.survey_list import survey_list
from stand_ins.track_api.terms import ContractTerms

#: The answer to a POST that nobody looked at, where its fault brings none.
UNJUDGED = document(503, {"message": "Service Unavailable"})

#: The answer to a POST while another one to its survey is under way.
BUSY = document(409, {"message": "Another import of this survey is running."})


@dataclass
class TrackService:
    """Answers every request of the listener's connections.

    Attributes:
        terms: What the stand-in is set up with.
        refuse_connections: Silences the port, for seconds or (None) until told otherwise.
        stopping: Set when the server stops; every pause ends then.
        bare_list: The list of surveys comes without page counts.
        form: How the answers to broken rules name lines.
        record: The POSTs.
        requests: How many requests of each kind came.
        violations: What a client must never do, in words.
    """

    terms: ContractTerms
    refuse_connections: Callable[[float | None], None]
    stopping: threading.Event
    record: Record
    bare_list: bool = False
    form: ErrorsForm = ErrorsForm.BY_KEY
    post_script: Script = field(default_factory=Script)
    survey_script: Script = field(default_factory=Script)
    rules: list[ContentRule] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _in_flight: dict[str, Exchange] = field(default_factory=dict)

    def handle(self, exchange: Exchange) -> None:
        """Read a request, answer it."""
        url = urlsplit(exchange.path)
        try:
            match exchange.command, url.path.split("/"):
                case "GET", ["", "" | "received.json"]:
                    exchange.send(self._shown(url.path))
                case "GET", ["", "v1", "organizations", organization, "surveys"]:
                    self._surveys(exchange, organization, url.query)
                case "POST", ["", "v1", "organizations", organization, "distributions"]:
                    self._distribution(exchange, organization)
                case _:
                    self._elsewhere(exchange, url.path)
        finally:
            self._release(exchange)

    def about_to_end(self, exchange: Exchange) -> None:
        """Let the next POST come, or close the door before it where the script says so."""
        self._release(exchange)
        fault = self.post_script.take_refused()
        if fault is not None:
            self.refuse_connections(fault.seconds)

    def _shown(self, path: str) -> Reply:
        received, surveys = self.record.all(), self.terms.surveys
        if path == "/":
            return page(200, render(received, surveys=surveys, violations=self.violations))
        content = summarize(
            received, surveys=surveys, requests=self.requests, violations=self.violations
        )
        return document(200, content)

    def _elsewhere(self, exchange: Exchange, path: str) -> None:
        exchange.read_body()
        if path == REDIRECT_PATH:
            self._count("moved")
            self._violate(f"a {exchange.command} followed a redirect")
            # The trap: whoever follows gets what looks like an acceptance.
            exchange.send(document(200, {"message": "OK"}))
            return
        self._count("other")
        exchange.send(document(404, {"message": "Not Found"}))

    def _surveys(self, exchange: Exchange, organization: str, query: str) -> None:
        self._count("surveys")
        exchange.read_body()
        fault = self.survey_script.take() or PLAIN
        try:
            authorization = exchange.headers.get("Authorization", "")
            check_caller(self.terms, organization=organization, authorization=authorization)
            answer = survey_list(self.terms, query, bare=self.bare_list)
        except ContractError as error:
            answer = problem_document(error.status, error.problems)
        exchange.send(_answer(fault, answer, []), fault)

    def _distribution(self, exchange: Exchange, organization: str) -> None:
        number = self._count("distributions")
        fault = self.post_script.take()
        headers = exchange.headers
        authorization = headers.get("Authorization")
        received = Received(
            number=number,
            at=self.terms.clock(),
            connection=exchange.number,
            idempotency_key=headers.get("Idempotency-Key"),
            authorized=None if authorization is None else authorization == self.terms.bearer,
            content_type=headers.get("Content-Type", ""),
            fault=fault.name if fault else None,
        )
        if fault and fault.travel in {Travel.UNREAD, Travel.REFUSED}:
            if fault.travel is Travel.REFUSED:
                self._violate(f"POST {number}: nothing was answered before a refused connection")
            self.record.add(received)
            exchange.send(UNJUDGED, fault)
            return
        try:
            raw = exchange.read_body()
        except ConnectionError:
            self.record.add(replace(received, problems=(Problem("the client left"),)))
            raise
        request = Request(
            organization=organization,
            authorization=authorization or "",
            content_type=received.content_type,
            raw=raw,
        )
        self._settle(exchange, request, received, fault)

    def _settle(
        self, exchange: Exchange, request: Request, received: Received, fault: Fault | None
    ) -> None:
        """Judge a POST that was read, record it, and only then answer."""
        body = _readable(request)
        lines = readable_lines(body)
        survey = str(body.get("survey_uuid", ""))
        if self._take_off(survey, exchange):
            verdict = self._verdict(request, fault)
            answer = _answer(fault or PLAIN, verdict.answer, lines)
            fates = verdict.fates or _scripted_fates(fault, len(lines))
        else:
            self._violate(f"POST {received.number}: another POST to its survey was waiting")
            received = replace(received, concurrent=True)
            fault, verdict, answer, fates = None, Judgement(answer=BUSY), BUSY, ()
        silent = fault is not None and fault.travel in {Travel.CLOSED, Travel.RESET}
        self.record.add(
            replace(
                received,
                raw=request.raw,
                body=body or None,
                survey_uuid=survey,
                channel=str(body.get("distribution_channel", "")),
                lines=_lines(lines, fates),
                status=None if silent else answer.status,
                problems=verdict.problems,
            )
        )
        exchange.send(answer, fault or PLAIN)

    def _verdict(self, request: Request, fault: Fault | None) -> Judgement:
        if fault is not None and not fault.accepted:
            return Judgement(answer=UNJUDGED)
        return judge(request, terms=self.terms, rules=tuple(self.rules), form=self.form)

    def _take_off(self, survey: str, exchange: Exchange) -> bool:
        """Begin a survey's POST, unless somebody still waits for the answer to another."""
        with self._lock:
            other = self._in_flight.get(survey)
            if survey and other is not None and other.client_waits():
                return False
            self._in_flight[survey] = exchange
            return True

    def _release(self, exchange: Exchange) -> None:
        with self._lock:
            for survey in [key for key, value in self._in_flight.items() if value is exchange]:
                del self._in_flight[survey]

    def _count(self, kind: str) -> int:
        with self._lock:
            self.requests[kind] += 1
            return self.requests[kind]

    def _violate(self, text: str) -> None:
        with self._lock:
            self.violations.append(text)


def _answer(fault: Fault, deserved: Reply, lines: list[Any]) -> Reply:
    if isinstance(fault.answer, LineRefusal):
        return fault.answer.answer(lines)
    return fault.answer or deserved


def _readable(request: Request) -> dict[str, Any]:
    """Read a body for the record, whatever it says about itself."""
    try:
        return read_document("application/json", request.raw)
    except ContractError:
        return {}


def _scripted_fates(fault: Fault | None, count: int) -> tuple[Fate, ...]:
    """Tell the fates in a batch that nobody judged: lines that a scripted refusal names."""
    if fault is None or not isinstance(fault.answer, LineRefusal):
        return (Fate.UNTOUCHED,) * count
    named = fault.answer.positions
    return tuple(
        Fate.REFUSED if position in named or count == 1 else Fate.UNTOUCHED
        for position in range(count)
    )


def _lines(lines: list[Any], fates: tuple[Fate, ...]) -> tuple[Line, ...]:
    fates = fates or (Fate.UNTOUCHED,) * len(lines)
    return tuple(
        Line(
            str(line.get("cd_atendimento", "")),
            str(line.get("unidade", "")),
            str(line.get("area_pesquisa", "")),
            fate,
        )
        for line, fate in zip(lines, fates, strict=True)
    )
