"""Making each fault of the table happen, for as long as a `with` lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from demo.world import practice_include
from stand_ins.oracle import Faults
from tests.e2e.policies import replace_query
from tests.proof.fault_terms import (
    Astray,
    BadLines,
    Detour,
    Down,
    DroppedOnConnect,
    ErpConnection,
    ListenerDown,
    OnErp,
    OnPost,
    OnQuestion,
    OtherQuery,
    RenamedColumn,
    TrackConnection,
)
from tests.proof.faulty_network import HOST, certificate_of, end_of, over_tls
from tests.unit.delivery.raw_server import RawServer, reset, without_reading

if TYPE_CHECKING:
    from tests.proof.fault_scene import Scene
    from tests.proof.fault_terms import ErpFault, TrackFault


@contextmanager
def track_fault(scene: Scene, fault: TrackFault) -> Iterator[None]:
    """Let something be wrong with Track, or with the way there, meanwhile."""
    api = scene.api
    with ExitStack() as stack:
        match fault:
            case OnPost(wrong, number, then, question):
                api.script(*[None] * (number - 1), wrong, *then)
                api.script_surveys(None, question)
            case OnQuestion(wrong):
                api.script_surveys(wrong)
            case Down():
                stack.enter_context(api.refusing())
            case TrackConnection(changes):
                scene.connect_track(**changes)
            case BadLines(positions, status, named, form):
                ids = list(scene.lines())
                bad = {ids[position] for position in positions or range(len(ids))}
                if status < 300:
                    api.refuse_in_acceptance(bad, form=form)
                else:
                    api.reject(bad, status=status, named=named, form=form)
            case Astray(detour, number):
                if detour is Detour.STRANGER:
                    _speak_tls(scene, stack)
                place = stack.enter_context(end_of(detour, scene.folder))
                scene.names.lead_astray(place, after=number)  # the question comes first
        yield
    api.behave()
    api.listen_again()
    scene.names.lead_home()
    scene.connect_track()


def _speak_tls(scene: Scene, stack: ExitStack) -> None:
    certificate = certificate_of(HOST, scene.folder / "track.pem")
    scene.names.home = stack.enter_context(over_tls(scene.api.port, certificate))
    scene.connect_track(host=f"https://{HOST}", extra={"verify": str(certificate)})
    stack.callback(setattr, scene.names, "home", (scene.api.host, scene.api.port))


@contextmanager
def erp_fault(scene: Scene, fault: ErpFault) -> Iterator[None]:
    """Let something be wrong with the ERP, or with the way there, meanwhile."""
    with ExitStack() as stack:
        match fault:
            case OnErp(faults):
                scene.erp.faults = Faults(**faults)  # type: ignore[arg-type]
            case ErpConnection(changes):
                scene.connect_erp(**changes)
            case ListenerDown():
                place = stack.enter_context(end_of(Detour.NOBODY_LISTENS, scene.folder))
                assert place is not None
                scene.connect_erp(port=place[1])
            case DroppedOnConnect():
                server = stack.enter_context(RawServer(without_reading(reset)))
                scene.connect_erp(port=server.port)
            case RenamedColumn(table, column):
                scene.erp.execute(f"alter table {table} rename {column} to {column}_new")
                back = f"alter table {table} rename {column}_new to {column}"
                stack.callback(scene.erp.execute, back)
            case OtherQuery(sql):
                include = practice_include(scene.folder / "include")
                replace_query(include, sql)
                stack.enter_context(pytest.MonkeyPatch.context()).setenv(
                    "TRACK_INCLUDE_DIR", str(include)
                )
        try:
            yield
        finally:
            scene.erp.faults = Faults()
    scene.connect_erp()
