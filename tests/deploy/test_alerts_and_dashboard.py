"""The alert rules and the dashboard: valid, about metrics that exist, and each alert with a test and what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from recording_meter import RecordingMeter

import captioner_service.metrics
import classifier_service.metrics
import gateway.metrics
from vidtomusictags.rpc.call_metrics import CALL_METRICS
from vidtomusictags.rpc.failures import known_reason
from vidtomusictags.rpc.metrics import Histogram
from vidtomusictags.rpc.telemetry import Telemetry
from vidtomusictags.rpc.upstream_meter import FAILURES, UpstreamMeter

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
RULE_TESTS = RULES.with_name("alerts.test.yaml")
DASHBOARD = ROOT / "deploy" / "grafana" / "vidtomusictags.json"
PROMTOOL = shutil.which("promtool")
METRICS = {
    metric.name: metric
    for own in (
        CALL_METRICS,
        captioner_service.metrics.METRICS,
        classifier_service.metrics.METRICS,
        gateway.metrics.METRICS,
    )
    for metric in own
}
SERIES = {
    name + ending: metric
    for name, metric in METRICS.items()
    for ending in (("_bucket", "_sum", "_count") if isinstance(metric, Histogram) else ("",))
}
OF_PROCESSES = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds"}
OF_PROMETHEUS = {"job", "instance", "namespace", "le"}
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the rules and of the dashboard, with where it stands."""
    for alert in alerts():
        yield alert["alert"], alert["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def promtool(*arguments: str | Path) -> str:
    assert PROMTOOL is not None
    ran = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@needs_promtool
def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", RULE_TESTS)


@needs_promtool
def test_the_queries_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    rules = [{"record": "checked:query", "expr": query} for _, query in queries()]
    assert len(rules) > 50
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "checked", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", file)


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    tests = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    fired = {check["alertname"] for test in tests for check in test["alert_rule_test"] if check.get("exp_alerts")}
    assert fired == {alert["alert"] for alert in alerts()}


def test_every_alert_says_what_is_wrong_and_leads_to_what_to_do() -> None:
    headings = {
        (file, re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-"))
        for file in ("docs/alerts.md", "docs/operations.md")
        for heading in re.findall(r"^#+ (.+)$", (ROOT / file).read_text(), re.MULTILINE)
    }
    for alert in alerts():
        assert alert["labels"]["severity"] in ("critical", "warning", "info"), alert["alert"]
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}, alert["alert"]
        file, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert (file, anchor) in headings, alert["alert"]
        assert anchor == alert["alert"].lower()


def test_what_to_do_is_written_for_no_alert_that_is_gone() -> None:
    written = set(re.findall(r"^### (Vidtags\w+)$", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE))
    assert written == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_queries_ask_for_metrics_and_labels_that_exist(where: str, query: str) -> None:
    names = set(re.findall(r"\b(?:vidtags|process)_\w+", query))
    assert names - set(SERIES) - OF_PROCESSES == set() and (names or query.startswith("up{"))
    labels = set().union(*(SERIES[name].labels for name in names - OF_PROCESSES)) | OF_PROMETHEUS
    for matcher in re.findall(r"\{([^}]*)\}", query):
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matcher)) <= labels
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert {label.strip() for label in grouped.split(",")} <= labels
    for reasons in re.findall(r'reason=~?"([^"]*)"', query):
        assert [reason for reason in reasons.split("|") if known_reason(reason) != reason] == []


def test_the_dashboard_shows_every_metric_there_is() -> None:
    shown = " ".join(query for _, query in queries())
    missing = [name for name in METRICS if not re.search(rf"\b{name}(_bucket|_sum|_count)?\b", shown)]
    assert missing == []


def test_the_panels_do_not_cover_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            assert x < 24
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_what_alerts_ask_the_increase_of_is_told_before_it_happens() -> None:
    """Prometheus sees no increase where a series begins with its first failure."""
    meter = RecordingMeter()
    UpstreamMeter("captioner", Telemetry(meter))
    asked = re.findall(r'failures_total{[^}]*reason=~"([A-Z_|]*)"', RULES.read_text())
    reasons = [reason for one in asked for reason in one.split("|")]
    assert len(reasons) == 6
    assert [meter.observed(FAILURES, "captioner", reason) for reason in reasons] == [[0]] * 6
