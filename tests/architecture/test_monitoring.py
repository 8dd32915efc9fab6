"""Alerts, dashboard and runbooks speak of metrics and commands that exist, and leave none out."""

import json
import re
import shlex
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Histogram
from typer.testing import CliRunner

import hub.cli.main
from hub.telemetry import Metrics
from tests.architecture.test_packaging import takes_no_value
from tests.shared_files import PROJECT

MONITORING = PROJECT / "config" / "monitoring"
RUNBOOKS = PROJECT / "docs" / "runbooks"
GUIDE = PROJECT / "docs" / "guides" / "operations.md"
NAME = re.compile(r"\bfrontdesk[_:][a-z0-9_:]+")
PARTS = ("**What it means.**", "**Who suffers.**", "**Look.**", "**Do.**", "**Over when.**")


@cache
def metrics() -> dict[str, set[str]]:
    """Return the names on the wire of each metric."""
    kept = vars(Metrics()).values()
    names = {}
    for metric in kept:
        if isinstance(metric, Counter):
            names[metric._name] = {f"{metric._name}_total"}
        elif isinstance(metric, Histogram):
            names[metric._name] = {f"{metric._name}_{end}" for end in ("bucket", "sum", "count")}
        elif hasattr(metric, "_name"):
            names[metric._name] = {metric._name}
    return names | {"frontdesk_log_lines_dropped": {"frontdesk_log_lines_dropped_total"}}  # of the process, not a hub


def known_names() -> set[str]:
    wire = {name for names in metrics().values() for name in names}
    return wire | {rule["record"] for rule in rules("recording")}


def rules(file: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((MONITORING / f"{file}.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return rules("alerts")


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return document


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def fenced(page: Path, language: str) -> list[str]:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def runbook_of(alert: dict[str, Any]) -> Path:
    return PROJECT / str(alert["annotations"]["runbook"])


def pages() -> list[Path]:
    return sorted(RUNBOOKS.glob("*.md"))


# Alerts


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_metrics_that_exist_and_leads_to_its_runbook(alert: dict[str, Any]) -> None:
    named = set(NAME.findall(alert["expr"]))
    assert named - known_names() == set()
    assert named or "up{" in alert["expr"]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    assert alert["alert"] in runbook_of(alert).read_text().splitlines()[0].removeprefix("# ").split(", ")


def test_no_two_alerts_have_one_name() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert len(names) == len(set(names))


def test_every_threshold_says_where_it_comes_from() -> None:
    lines = (MONITORING / "alerts.yaml").read_text().splitlines()
    without = [line for before, line in pairwise(lines) if "- alert:" in line and "#" not in before]
    assert without == []


def test_recording_rules_are_made_of_metrics_and_are_used() -> None:
    wire = {name for names in metrics().values() for name in names}
    for rule in rules("recording"):
        assert set(NAME.findall(rule["expr"])) <= wire, rule["record"]
    asked = {name for expr in [*queries(), *(alert["expr"] for alert in alerts())] for name in NAME.findall(expr)}
    assert {rule["record"] for rule in rules("recording")} <= asked


def test_every_metric_is_in_the_dashboard_or_in_an_alert() -> None:
    shown = {name for expr in [*queries(), *(alert["expr"] for alert in alerts())] for name in NAME.findall(expr)}
    shown |= {name for rule in rules("recording") if rule["record"] in shown for name in NAME.findall(rule["expr"])}
    assert [metric for metric, names in metrics().items() if not names & shown] == []


# Runbooks


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {runbook_of(alert) for alert in alerts()} == set(pages())


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_runbook_has_all_its_parts_and_fits_half_a_page(page: Path) -> None:
    text = page.read_text()
    places = [text.find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
    assert len(text.splitlines()) <= 50
    assert fenced(page, "promql") or fenced(page, "sh")


@pytest.mark.parametrize("page", [*pages(), GUIDE], ids=lambda page: page.stem)
def test_a_page_asks_for_metrics_that_exist(page: Path) -> None:
    assert set(NAME.findall(page.read_text())) - known_names() == set()


@pytest.mark.parametrize("page", [*pages(), GUIDE], ids=lambda page: page.stem)
def test_a_page_uses_commands_that_exist(page: Path) -> None:
    written = [line.split("#")[0].strip() for line in fenced(page, "sh")]
    inline = re.findall(r"`(frontdesk [a-z-]+(?: [a-z]+)?[^`]*)`", page.read_text().replace("\n", " "))
    for line in [line for line in written if line.startswith("frontdesk ")] + inline:
        words = shlex.split(" ".join(line.split()).replace("<id>", "1"))[1:]
        result = CliRunner().invoke(hub.cli.main.app, [*takes_no_value(words), "--help"])
        assert result.exit_code == 0, line


def test_the_guide_explains_every_alert() -> None:
    text = GUIDE.read_text()
    missing = [alert["alert"] for alert in alerts() if f"| [{alert['alert']}](" not in text]
    assert missing == []
    assert set(re.findall(r"^\| \[(\w+)\]\(", text, re.MULTILINE)) == {alert["alert"] for alert in alerts()}


# The dashboard


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_that_exist(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(references) == len(set(references))
    for target in panel["targets"]:
        named = NAME.findall(target["expr"])
        assert named
        assert set(named) <= known_names()


def test_the_dashboard_holds_together() -> None:
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert titles == ["Promises at a glance", "Acceptance", "Lanes", "Sending", "Recovery", "Channels"]
    variables = {variable["name"] for variable in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{(\w+)\}", json.dumps(dashboard())))
    assert used <= variables


def test_no_two_panels_lie_on_each_other() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)


# The example for Prometheus


def test_prometheus_reads_the_rules_and_scrapes_every_process_of_ours() -> None:
    document = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
    assert all((MONITORING / name).exists() for name in document["rule_files"])
    (job,) = document["scrape_configs"]
    services = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
    ours = {
        name for name, service in services.items() if service["image"] == "frontdesk" and "serve" in service["command"]
    }
    targets = {target for group in job["static_configs"] for target in group["targets"]}
    assert targets == {f"{name}:8080" for name in ours}
    assert job["job_name"] == "frontdesk"


# Beside the deployment


def beside() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((MONITORING / "compose.yaml").read_text())
    return document


@pytest.mark.parametrize("name", list(beside()["services"]))
def test_what_watches_is_locked_down_and_listens_on_loopback_only(name: str) -> None:
    """SECURITY section 8."""
    service = beside()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["user"].split(":")[0] != "0"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_what_watches_finds_its_files_volumes_networks_and_configs() -> None:
    main = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    for service in beside()["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (PROJECT / source).is_dir() if source.startswith(".") else source in beside()["volumes"]
        assert set(service["networks"]) <= set(main["networks"])
        assert {entry["source"] for entry in service.get("configs", ())} <= set(beside()["configs"])
    for config in beside()["configs"].values():
        assert yaml.safe_load(config["content"])["apiVersion"] == 1
