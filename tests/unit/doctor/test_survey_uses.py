"""Track's surveys beside ours."""

from __future__ import annotations

from track_dispatch.config import load_hospital
from track_dispatch.delivery.client import TrackSurvey
from track_dispatch.doctor.hospital_checks import SurveyUse, survey_uses
from track_dispatch.records import Area

HMS, OTOS = load_hospital("HMS"), load_hospital("OTOS")
EXAMES = str(HMS.survey(Area.EXAMES))


def test_a_survey_names_who_uses_it() -> None:
    sister = OTOS.model_copy(update={"surveys": {"internacao": HMS.survey(Area.EXAMES)}})
    only = HMS.model_copy(update={"surveys": {"exames": HMS.survey(Area.EXAMES)}})

    assert survey_uses([TrackSurvey(EXAMES.upper(), "Exames", "draft")], [only, sister]) == [
        SurveyUse(EXAMES.upper(), "Exames", "draft", ("HMS exames", "OTOS internacao"))
    ]


def test_surveys_come_by_name_and_those_that_track_lacks_at_the_end() -> None:
    only = HMS.model_copy(update={"surveys": {"exames": HMS.survey(Area.EXAMES)}})

    uses = survey_uses([TrackSurvey("2", "b", "active"), TrackSurvey("1", "A", "active")], [only])

    assert uses == [
        SurveyUse("1", "A", "active", ()),
        SurveyUse("2", "b", "active", ()),
        SurveyUse(EXAMES, "", "missing", ("HMS exames",)),
    ]
