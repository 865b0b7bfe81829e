"""Rules of Prometheus and dashboards of Grafana ask for what `/metrics` has, and each rule fires when it should."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from compose_schema import COMPOSE_SCHEMA
from debian_programs import needed_program

from broker_assets.api.metrics import StatusCollector, TelemetryCollector
from broker_assets.delivery.backlog import Backlog
from broker_assets.monitoring.status import Status
from broker_assets.monitoring.telemetry.overview import Overview

DOCKER = Path(__file__).parents[2] / "docker"
FOLDER = DOCKER / "monitoring"
FUNCTIONS = {
    "rate", "increase", "deriv", "sum", "max", "by", "on", "and", "absent", "time", "changes", "min_over_time", "up",
    "job",
}  # fmt: skip


@pytest.fixture(scope="module")
def metrics() -> dict[str, set[str]]:
    """Labels of each name that `/metrics` can have."""
    now = datetime.datetime.now(datetime.UTC)
    status = Status(
        at=now, outbox=Backlog(waiting=0, due=0, oldest_due=0.0, dead=0, over_quota=0, failing=0, letters=0)
    )
    families = [*StatusCollector(status).describe(), *TelemetryCollector(Overview(at=now)).describe()]
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: set(family._labelnames)  # type: ignore[attr-defined]
        for family in families
    }


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboards() -> dict[str, Any]:
    """The dashboards by file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("*.json"))}


def asked(expression: str) -> tuple[set[str], set[str]]:
    """Names of metrics, and of labels, in an expression of PromQL."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    labels = set(re.findall(r"(\w+)=~?\"\"", plain))
    for group in re.findall(r"(?:by|on) \(([^)]*)\)", plain):
        labels |= {label.strip() for label in group.split(",")}
    names = set(re.findall(r"[a-zA-Z_:][\w:]*", re.sub(r"\{[^}]*\}|(?:by|on) \([^)]*\)|\[\w+\]", "", plain)))
    return names - FUNCTIONS, labels


def wrong(expression: str, legend: str, metrics: dict[str, set[str]], records: dict[str, str]) -> set[str]:
    """What an expression asks for that is nowhere."""
    names, labels = asked(expression)
    recorded = [asked(records[name]) for name in names if name in records]
    known = {label for name in names for label in metrics.get(name, ())}
    known |= {label for found, _ in recorded for name in found for label in metrics[name]}
    labels |= set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", legend))
    return (names - metrics.keys() - records.keys()) | (labels - known - {"job"})


def test_rules_ask_for_metrics_and_labels_that_exist(metrics: dict[str, set[str]], rules: list[dict[str, Any]]) -> None:
    records = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    assert len(rules) > 20
    for rule in rules:
        summary = rule.get("annotations", {}).get("summary", "")
        assert not wrong(rule["expr"], summary, metrics, records), rule
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"warning", "critical"}
            assert summary.endswith(".") or "says what" in summary
    assert wrong("rate(broker_recieved_total[5m])", "{{topc}}", metrics, records) == {"broker_recieved_total", "topc"}


@pytest.mark.parametrize("name", dashboards())
def test_dashboards_ask_for_metrics_and_labels_that_exist(
    name: str, metrics: dict[str, set[str]], rules: list[dict[str, Any]]
) -> None:
    records = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    dashboard = dashboards()[name]
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource"}
    for panel in dashboard["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert not wrong(target["expr"], target["legendFormat"], metrics, records), panel["title"]
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        {(column, row) for column in range(at["x"], at["x"] + at["w"]) for row in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in panels)
    ]
    assert len(set().union(*taken)) == sum(map(len, taken)), "panels lie on one another"
    assert max(column for cells in taken for column, _ in cells) < 24


def test_prometheus_takes_rules_and_dashboards_and_each_rule_fires(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    promtool = needed_program("promtool")
    tests = yaml.safe_load((FOLDER / "rules_test.yaml").read_text())["tests"]
    tested = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert tested == {rule["alert"] for rule in rules if "alert" in rule}
    # Grafana's expressions are PromQL too: as rules, the same program reads them.
    found = [t["expr"] for board in dashboards().values() for panel in board["panels"] for t in panel["targets"]]
    written = {"groups": [{"name": "g", "rules": [{"record": f"r{i}", "expr": one} for i, one in enumerate(found)]}]}
    (tmp_path / "dashboards.yaml").write_text(yaml.safe_dump(written))
    for arguments in (
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "rules_test.yaml"],
        ["check", "rules", str(tmp_path / "dashboards.yaml")],
    ):
        done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_sum_grows_with_the_number_of_processes_that_are_asked(rules: list[dict[str, Any]]) -> None:
    """Each replica of the web application has the numbers of the whole platform."""
    boards = [t["expr"] for board in dashboards().values() for panel in board["panels"] for t in panel["targets"]]
    summed = [one for one in [*boards, *(rule["expr"] for rule in rules)] if re.search(r"(?<!:)\bsum\b", one)]
    assert len(summed) >= 6
    for expression in summed:
        assert re.search(r"\bsum\s*(by \([^)]*\) )?\(max by \(", expression), expression


def test_compose_gives_them_to_prometheus_and_grafana() -> None:
    override = yaml.safe_load((DOCKER / "compose.monitoring.yaml").read_text())
    jsonschema.validate(override, COMPOSE_SCHEMA)
    services = override["services"]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service["volumes"]]
    assert {path for path in mounted if path.startswith("./")} == {
        "./monitoring/prometheus.yml", "./monitoring/rules.yaml", "./monitoring/dashboards",
        "./monitoring/grafana/datasource.yaml", "./monitoring/grafana/dashboards.yaml",
    }  # fmt: skip
    assert all((DOCKER / path).exists() for path in mounted if path.startswith("./"))
    base = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    assert "pages" in set(services["prometheus"]["networks"]) & set(base["networks"])
    for service in services.values():
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert services["grafana"]["ports"] == ["${LISTEN_ADDRESS:-127.0.0.1}:3090:3000"]
    provider = yaml.safe_load((FOLDER / "grafana" / "dashboards.yaml").read_text())["providers"][0]
    assert f"./monitoring/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    source = yaml.safe_load((FOLDER / "grafana" / "datasource.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
