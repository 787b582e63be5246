"""The board's permissions, which are Airflow's own, asked of its auth manager.

Airflow does not protect a mounted app: each route depends on one of the functions here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from airflow.models.log import Log
from airflow.utils.session import create_session
from fastapi import Depends, Form, HTTPException

from track_dispatch.config import BrokenHospital, Hospital, include_dir, load_hospitals

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.batch_apis import IsAuthorizedDagRequest

#: A user who may read this DAG may see the board.
BOARD_DAG = "track_morning"
#: A user who may trigger this DAG may decide.
DECIDE_DAG = "track_decide"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A user of the board, and the hospitals that she may see.

    Attributes:
        user: of Airflow.
        hospitals: those whose DAGs she may read.
        hidden: the codes of the others.
    """

    user: BaseUser
    hospitals: Sequence[Hospital | BrokenHospital]
    hidden: frozenset[str]

    def may_decide(self) -> bool:
        """Tell whether she may trigger `track_decide`."""
        return DECIDE_DAG in _allowed(self.user, "POST", [DECIDE_DAG], DagAccessEntity.RUN)

    def runnable(self) -> set[str]:
        """Return the DAGs of hospitals that she may trigger."""
        ids = [hospital.dag_id for hospital in self.hospitals]
        return _allowed(self.user, "POST", ids, DagAccessEntity.RUN)

    def explained(self) -> list[str]:
        """Return the codes of the hospitals about whose attendances she may ask."""
        working = [hospital for hospital in self.hospitals if isinstance(hospital, Hospital)]
        ids = [hospital.dag_id for hospital in working]
        allowed = _allowed(self.user, "GET", ids, DagAccessEntity.TASK_LOGS)
        return [hospital.code for hospital in working if hospital.dag_id in allowed]

    def hospital_of(self, dag_id: str) -> Hospital | None:
        """Return the working hospital of a DAG, if she may read it."""
        for hospital in self.hospitals:
            if hospital.dag_id == dag_id and isinstance(hospital, Hospital):
                return hospital
        return None


def visitor(user: GetUserDep) -> Visitor:
    """Return the visitor of a request; Airflow refuses a request without a log-in."""
    readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    everything = _hospitals(_stamp())
    mine = [hospital for hospital in everything if hospital.dag_id in readable]
    return Visitor(
        user, mine, frozenset(hospital.code for hospital in everything if hospital not in mine)
    )


VisitorDep = Annotated[Visitor, Depends(visitor)]


def board_visitor(user: GetUserDep) -> Visitor:
    """Return the visitor, if she may read the morning's DAG.

    Raises:
        HTTPException: 403 for anybody else.
    """
    if not _allowed(user, "GET", [BOARD_DAG]):
        raise HTTPException(403)
    return visitor(user)


def readable_hospital(visiting: VisitorDep, hospital: str) -> Hospital:
    """Return the hospital of a code, if the visitor may read its DAG.

    Raises:
        HTTPException: 404 where there is none, or it is not for her.
    """
    return _required(visiting, f"track_{hospital.lower()}")


def hospital_of_tab(visiting: VisitorDep, dag_id: str) -> Hospital | BrokenHospital | None:
    """Return the hospital of a DAG's tab; None where the DAG is not a hospital's.

    Raises:
        HTTPException: 404 where it is a hospital's that she may not read.
    """
    codes = {f"track_{code.lower()}" for code in visiting.hidden}
    if dag_id in codes:
        raise HTTPException(404)
    return next((hospital for hospital in visiting.hospitals if hospital.dag_id == dag_id), None)


def explained_hospital(
    visiting: VisitorDep, hospital: Annotated[str, Form(max_length=16)]
) -> Hospital:
    """Return a hospital whose attendances she may ask about: she may read its tasks' logs.

    Who asked goes to Airflow's audit log before anything is answered; about whom does not.

    Raises:
        HTTPException: 404 where there is none or it is not for her, 403 without the logs.
    """
    found = _required(visiting, f"track_{hospital.lower()}")
    if not _allowed(visiting.user, "GET", [found.dag_id], DagAccessEntity.TASK_LOGS):
        raise HTTPException(403)
    name = visiting.user.get_name()
    with create_session() as session:
        session.add(Log("track_explain", owner=name, owner_display_name=name, dag_id=found.dag_id))
    return found


def _stamp() -> tuple[tuple[str, int, int], ...]:
    """Return a stamp of the include folder's files: they are read again when it changes."""
    files = [(path, path.stat()) for path in sorted(include_dir().rglob("*.yaml"))]
    return tuple((str(path), found.st_mtime_ns, found.st_size) for path, found in files)


@lru_cache(maxsize=1)
def _hospitals(_stamp: object) -> list[Hospital | BrokenHospital]:
    return load_hospitals()


def _required(visiting: Visitor, dag_id: str) -> Hospital:
    found = visiting.hospital_of(dag_id)
    if found is None:
        raise HTTPException(404)
    return found


def _allowed(
    user: BaseUser,
    method: ResourceMethod,
    dag_ids: Sequence[str],
    entity: DagAccessEntity | None = None,
) -> set[str]:
    """Return those of some DAGs that the user has a permission for.

    All are asked for at once, since each question may be a request to another server; one by one
    only where not all are allowed.
    """
    manager = get_auth_manager()
    teams = DagModel.get_dag_id_to_team_name_mapping([*dag_ids])
    details = [DagDetails(id=dag_id, team_name=teams.get(dag_id)) for dag_id in dag_ids]
    requests: list[IsAuthorizedDagRequest] = [
        {"method": method, "access_entity": entity, "details": detail} for detail in details
    ]
    if manager.batch_is_authorized_dag(requests, user=user):
        return set(dag_ids)
    if len(dag_ids) == 1:
        return set()
    return {dag_id for dag_id in dag_ids if _allowed(user, method, [dag_id], entity)}


BoardVisitorDep = Annotated[Visitor, Depends(board_visitor)]
ReadableHospitalDep = Annotated[Hospital, Depends(readable_hospital)]
HospitalOfTabDep = Annotated[Hospital | BrokenHospital | None, Depends(hospital_of_tab)]
ExplainedHospitalDep = Annotated[Hospital, Depends(explained_hospital)]
