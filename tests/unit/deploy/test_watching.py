"""The alert rules and the board: parsed, and about metrics that there are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from demo.world import ROOT
from track_dispatch.metric_table import Metric
from track_dispatch.states import LineState

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))[
        "groups"
    ]
    for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/surveys.json").read_text("utf-8"))
ALERTS = [rule["expr"] for rule in RULES]
#: What a panel or a variable of the board asks Prometheus for.
ASKED = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]] + [
    one["definition"] for one in BOARD["templating"]["list"] if one["type"] == "query"
]
SCRAPED = {str(metric): metric for metric in Metric if metric.is_scraped}


@pytest.mark.parametrize("expression", ALERTS + ASKED)
def test_every_metric_that_is_named_is_one_that_a_scrape_tells(expression: str) -> None:
    named = set(re.findall(r"\btrack_\w+", expression))

    assert named
    assert named <= SCRAPED.keys()


@pytest.mark.parametrize("expression", ALERTS + ASKED)
def test_every_label_that_is_chosen_by_is_one_of_its_metric(expression: str) -> None:
    for name, chosen in re.findall(r"\b(track_\w+)\{([^}]*)\}", expression):
        labels = dict(re.findall(r'(\w+)=~?"([^"]*)"', chosen))

        assert labels.keys() <= {*SCRAPED[name].labels}
        if "state" in labels:
            assert {*labels["state"].split("|")} <= {*LineState}


@pytest.mark.parametrize("expression", ALERTS + ASKED)
def test_every_bracket_is_closed(expression: str) -> None:
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_has_what_prometheus_needs_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"(\d+[smhd])+", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "action"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_names_only_labels_that_its_metric_has(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    (first, *_) = re.findall(r"\btrack_\w+", rule["expr"])

    assert named <= {*SCRAPED[first].labels}


def test_rules_and_panels_are_told_apart() -> None:
    names, panels = [rule["alert"] for rule in RULES], [one["id"] for one in BOARD["panels"]]

    assert len({*names}) == len(names)
    assert len({*panels}) == len(panels)


def test_no_panel_lies_on_another() -> None:
    taken = [
        (x, y)
        for panel in BOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({*taken}) == len(taken)
    assert max(x for x, _ in taken) < 24
