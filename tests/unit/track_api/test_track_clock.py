"""Every answer of the stand-in says when it was given, by the stand-in's clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import requests

from stand_ins.track_api import TrackStandIn, faults

NOON_IN_BRAZIL = datetime(2026, 3, 9, 12, tzinfo=timezone(timedelta(hours=-3)))


def test_answers_and_refusals_carry_the_date() -> None:
    with TrackStandIn(surveys={}, clock=lambda: NOON_IN_BRAZIL) as api:
        api.script_surveys(faults.answer(405))
        answers = [requests.get(api.surveys_url, timeout=30) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [405, 401]
    assert {answer.headers["Date"] for answer in answers} == {"Mon, 09 Mar 2026 15:00:00 GMT"}
