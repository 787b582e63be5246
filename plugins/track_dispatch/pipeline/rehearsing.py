"""A rehearsal: a few invented patients of each area go to our own people, over the real way.

Only area, unit, sector and times are the day's; name, CPF, attendance and physician are made up,
the contacts are those of `rehearsal_contacts`.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

from track_dispatch.config import check_go_live
from track_dispatch.delivery.desk import await_admission, require_open_hours
from track_dispatch.delivery.distribution import schedule
from track_dispatch.delivery.outcomes import Verdict
from track_dispatch.delivery.sending import post_lines, probe, stop_all
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.rehearsals import begin_rehearsal, end_rehearsal
from track_dispatch.pipeline.planning import day_proposals
from track_dispatch.records import Unit
from track_dispatch.transformation.eligibility import CONTACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from track_dispatch.config import Hospital
    from track_dispatch.delivery.desk import Desk
    from track_dispatch.delivery.outcomes import Outcome
    from track_dispatch.pipeline.run import Run
    from track_dispatch.records import Area, Channel, Proposal

#: A CPF of nobody, with right check digits.
NOBODYS_CPF = "00000000191"
#: What of a day's line a rehearsal keeps.
KEPT = (
    "ID_Cliente_Hfocus",
    "data_atendimento",
    "data_saida_alta",
    "area_pesquisa",
    "unidade",
    "setor",
)


def rehearse(run: Run, *, desk: Desk) -> dict[str, int]:
    """Post a rehearsal of the day and return how many lines each area sent.

    Raises:
        ConfigError: nobody is named to receive it, or Track did not take it.
        DeliveryError: Track was not reached, or sending is stopped.
        QuietHoursError: outside the hospital's window.
        SourceError: the ERP did not give the day.
    """
    hospital = run.hospital
    contacts = hospital.rehearsal_contacts
    if not contacts:
        raise ConfigError(
            f"{hospital.code}: rehearsal_contacts is empty: name the e-mail or phone of somebody of"
            " yours who receives rehearsals"
        )
    check_go_live(hospital, desk.track_host)
    proposals = day_proposals(run, ledger=desk.ledger, now=desk.now())
    invented = invented_lines(proposals, hospital)
    require_open_hours(desk)
    await_admission(desk)
    probe(desk)
    sent: dict[str, int] = {}
    for (area, channel), lines in invented.items():
        unit = Unit(hospital.code, run.business_day, area, channel)
        _post(run, desk, unit, lines)
        sent[area] = sent.get(area, 0) + len(lines)
    return sent


def invented_lines(
    proposals: Iterable[Proposal], hospital: Hospital
) -> dict[tuple[Area, Channel], list[dict[str, str]]]:
    """Make the lines of a rehearsal of those that would be asked, a few of each area; pure."""
    of_area: defaultdict[Area, list[Mapping[str, str]]] = defaultdict(list)
    for proposal in proposals:
        if proposal.line is not None and proposal.area is not None:
            of_area[proposal.area].append(proposal.line)
    made: defaultdict[tuple[Area, Channel], list[dict[str, str]]] = defaultdict(list)
    for area, lines in of_area.items():
        for number, line in enumerate(lines[: hospital.rehearsal_lines]):
            contact = hospital.rehearsal_contacts[number % len(hospital.rehearsal_contacts)]
            reached = {"email": contact.email, "phone": contact.phone}
            channel = next((one for one in hospital.channels if reached[CONTACT[one]]), None)
            if channel is not None:
                made[area, channel].append(_invented(line, number, reached))
    return dict(made)


def _invented(line: Mapping[str, str], number: int, contact: Mapping[str, str]) -> dict[str, str]:
    return {
        **{name: line[name] for name in KEPT},
        **contact,
        "cd_atendimento": f"ENSAIO-{uuid.uuid4().hex[:8]}",
        "name": f"Ensaio {number + 1}",
        "cpf": NOBODYS_CPF,
        "medico": "Ensaio",
    }


def _post(run: Run, desk: Desk, unit: Unit, lines: list[dict[str, str]]) -> None:
    survey, key = str(run.hospital.survey(unit.area)), str(uuid.uuid4())
    begin_rehearsal(desk.ledger, key, unit, survey_uuid=survey, lines=len(lines), actor=run.actor)
    outcome = post_lines(
        desk,
        key=key,
        channel=unit.channel,
        survey_uuid=survey,
        lines=lines,
        moments=schedule(desk.now(), run.hospital),
    )
    end_rehearsal(
        desk.ledger,
        key,
        verdict=outcome.verdict,
        status=outcome.status,
        receipt=outcome.receipt,
    )
    _require_accepted(desk, unit, outcome)


def _require_accepted(desk: Desk, unit: Unit, outcome: Outcome) -> None:
    if outcome.verdict is Verdict.STOPPED:
        stop_all(desk, outcome.detail, outcome.status)
    if outcome.verdict is not Verdict.ACCEPTED or outcome.faults:
        raise ConfigError(
            f"rehearsal of {unit}: {outcome.detail}; nothing of it is a patient's, trigger another"
            " when it is mended"
        )
