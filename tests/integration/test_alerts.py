"""Each alert fires when it should and stays quiet when it should, in Prometheus' own evaluation."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shared_files import PROJECT

pytestmark = pytest.mark.integration

MONITORING = PROJECT / "config" / "monitoring"
OWN_PROMTOOL = PROJECT / "tests" / ".servers" / "bin" / "promtool"
LABELS = 'job="frontdesk",instance="a:8080"'
SLACK = f'{LABELS},channel="slack",account="acme"'
Series = dict[str, str]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = str(OWN_PROMTOOL) if OWN_PROMTOOL.exists() else shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool; run tests/servers/install")
    return found


@dataclass(frozen=True)
class Case:
    """Series sampled each minute, and the minute at which to look."""

    alert: str
    fires: Series
    quiet: Series
    minute: int = 10


def latency(metric: str, slow_above: str, fast: str = "0.5", share: int = 10, labels: str = LABELS) -> Series:
    """Return a histogram in which `share` in a hundred take longer than `slow_above` seconds."""
    return {
        f'{metric}_bucket{{{labels},le="{fast}"}}': f"0+{100 - share}x30",
        f'{metric}_bucket{{{labels},le="{slow_above}"}}': f"0+{100 - share}x30",
        f'{metric}_bucket{{{labels},le="600"}}': "0+100x30",
        f'{metric}_bucket{{{labels},le="+Inf"}}': "0+100x30",
    }


def gauge(name: str, fires: str, quiet: str, labels: str = LABELS) -> tuple[Series, Series]:
    return {f"{name}{{{labels}}}": fires}, {f"{name}{{{labels}}}": quiet}


def appears(name: str, labels: str) -> tuple[Series, Series]:
    """Return a counter that comes into being at 1, and one that was there long before and stands still."""
    return {f"{name}{{{labels}}}": "_x7 1x30"}, {f"{name}{{{labels}}}": "7x60"}


def limited(limit: str) -> str:
    return f'{LABELS},channel="slack",limit="{limit}"'


CASES = [
    Case("AcceptSlow", latency("frontdesk_accept_seconds", "1"), latency("frontdesk_accept_seconds", "1", share=0)),
    Case("PayloadsRefused", *appears("frontdesk_refused_total", SLACK), minute=40),
    Case("PayloadsRefused", {f"frontdesk_refused_total{{{SLACK}}}": "0x30 3x30"}, {"nothing": "0x60"}, minute=35),
    Case("RequestsTurnedAway", *appears("frontdesk_limited_total", limited("at_once")), minute=40),
    Case(
        "RequestsTurnedAway",
        {f"frontdesk_limited_total{{{limited('at_once')}}}": "0x30 3x30"},
        {f"frontdesk_limited_total{{{limited('noise')}}}": "0x30 3x30"},
        minute=35,
    ),
    Case("Quarantined", *appears("frontdesk_quarantined_total", f'{SLACK},reason="malformed"'), minute=40),
    Case(
        "DuplicatesSpike",
        {f"frontdesk_accepted_total{{{SLACK}}}": "0+10x30", f"frontdesk_duplicates_total{{{SLACK}}}": "0+5x30"},
        {f"frontdesk_accepted_total{{{SLACK}}}": "0+10x30", f"frontdesk_duplicates_total{{{SLACK}}}": "0+1x30"},
        minute=25,
    ),
    Case(
        "Flood",
        {f"frontdesk_limited_total{{{limited('sender')}}}": "0+60x30"},
        {
            f"frontdesk_limited_total{{{limited('sender')}}}": "0+20x30",
            f"frontdesk_limited_total{{{limited('pace')}}}": "0+60x30",
        },
        minute=25,
    ),
    Case(
        "BackfillFinds",
        {f"frontdesk_backfilled_total{{{SLACK}}}": "0+2x30"},
        {f"frontdesk_backfilled_total{{{SLACK}}}": "0+1x30"},
        minute=25,
    ),
    Case("PendingAtPlatform", *gauge("frontdesk_pending_at_platform", "50x30", "3x30", SLACK)),
    Case(
        "PendingAtPlatform",
        {f"frontdesk_pending_at_platform{{{SLACK}}}": "50x30"},
        {f"frontdesk_pending_at_platform{{{SLACK}}}": "0x6 50x2 0x20"},
        minute=9,
    ),
    Case("ChannelDown", *gauge("frontdesk_channel_up", "0x30", "1x30", SLACK)),
    Case("SpoolInUse", *gauge("frontdesk_spool_records", "5x30", "0x30")),
    Case("SpoolFilling", *gauge("frontdesk_spool_bytes", "450000000x30", "300000000x30")),
    Case("SpoolBroken", *gauge("frontdesk_spool_broken", "1x30", "0x30")),
    Case("SpoolBadRecords", *gauge("frontdesk_spool_bad_total", "0x5 1x30", "1x30")),
    Case(
        "TurnsLate",
        latency("frontdesk_lane_wait_seconds", "5"),
        latency("frontdesk_lane_wait_seconds", "5", share=0),
        minute=20,
    ),
    Case("OldestRowWaits", *gauge("frontdesk_inbox_oldest_seconds", "200x30", "160x30")),
    Case("DeadLetters", *appears("frontdesk_dead_letters_total", f'{LABELS},channel="slack"'), minute=40),
    Case("ClaimsPaused", *gauge("frontdesk_claims_paused", "1x30", "0x30")),
    Case("LeasesLost", *gauge("frontdesk_leases_lost_total", "0+1x30", "0x20 2x10"), minute=20),
    Case(
        "TurnsFail",
        *gauge("frontdesk_turn_failures_total", "0+1x30", "0x18 3x30", f'{LABELS},error="KeyError"'),
        minute=20,
    ),
    Case("OutboxLate", *gauge("frontdesk_outbox_age_seconds", "200x30", "121x30")),
    Case("UnknownSends", *gauge("frontdesk_unknown_sends", "1x30", "0x8 1x1 0x20")),
    Case("SendsHeld", *gauge("frontdesk_holds", "1x30", "0x30")),
    Case(
        "SendsFail",
        {
            f'frontdesk_sends_total{{{LABELS},channel="slack",outcome="failed"}}': "0+2x30",
            f'frontdesk_sends_total{{{LABELS},channel="slack",outcome="sent"}}': "0+8x30",
        },
        {
            f'frontdesk_sends_total{{{LABELS},channel="slack",outcome="failed"}}': "0+2x30",
            f'frontdesk_sends_total{{{LABELS},channel="slack",outcome="sent"}}': "0+80x30",
        },
        minute=20,
    ),
    Case(
        "Undelivered",
        {f"frontdesk_undelivered_total{{{SLACK}}}": "0+1x30"},
        {f"frontdesk_undelivered_total{{{SLACK}}}": "0x18 3x30"},
        minute=20,
    ),
    Case("MessagesWait", *gauge("frontdesk_waiting", "6x30", "5x30"), minute=20),
    Case(
        "MessagesGivenUp",
        *appears("frontdesk_outside_window_total", f'{LABELS},channel="whatsapp",decision="failed"'),
        minute=40,
    ),
    Case(
        "MessagesGivenUp",
        {f'frontdesk_outside_window_total{{{LABELS},channel="whatsapp",decision="failed"}}': "0x30 1x30"},
        {f'frontdesk_outside_window_total{{{LABELS},channel="whatsapp",decision="waited"}}': "0x30 1x30"},
        minute=35,
    ),
    Case("AccountPaused", *gauge("frontdesk_paused", "1x30", "0x8 1x1 0x20", f'{LABELS},account="slack:acme"')),
    Case(
        "HubGone", {f"up{{{LABELS}}}": "0x30"}, {f"up{{{LABELS}}}": "1x30", 'up{job="frontdesk",instance="b"}': "0x30"}
    ),
    Case("HubGone", {'up{job="another"}': "1x30"}, {f"up{{{LABELS}}}": "1x30"}),
    Case(
        "NobodyAccepts",
        {
            f'frontdesk_members{{{LABELS},role="{role}"}}': f"{count}x30"
            for role, count in (("all", 0), ("web", 0), ("worker", 2))
        },
        {
            f'frontdesk_members{{{LABELS},role="{role}"}}': f"{count}x30"
            for role, count in (("all", 0), ("web", 1), ("worker", 0))
        },
    ),
    Case(
        "NobodyTakesTurns",
        {
            f'frontdesk_members{{{LABELS},role="{role}"}}': f"{count}x30"
            for role, count in (("all", 0), ("web", 2), ("worker", 0))
        },
        {
            f'frontdesk_members{{{LABELS},role="{role}"}}': f"{count}x30"
            for role, count in (("all", 1), ("web", 0), ("worker", 0))
        },
    ),
    Case("DatabaseDown", *gauge("frontdesk_database_up", "0x30", "1x30")),
    Case("DatabaseRestarted", *gauge("frontdesk_database_restarts_total", "0x5 1x30", "1x30")),
    Case(
        "NatsDown",
        {f"frontdesk_nats_up{{{LABELS}}}": "0x30", f'frontdesk_hints_total{{{LABELS},what="sent"}}': "5x30"},
        {f"frontdesk_nats_up{{{LABELS}}}": "0x30"},
    ),
    Case("ClockSkew", *gauge("frontdesk_clock_skew_seconds", "-3x30", "1.5x30"), minute=15),
    Case("LogLinesDropped", *gauge("frontdesk_log_lines_dropped_total", "0x5 1x30", "1x30")),
]


def evaluated(promtool: str, folder: Path, alert: str, series: Series, minute: int, firing: bool) -> str:
    """Return what promtool has to say; nothing when the alert is as expected."""
    expected = [{"labels": "{}", "value": 1}] if firing else []
    test: dict[str, Any] = {
        "rule_files": [str(MONITORING / "recording.yaml"), str(MONITORING / "alerts.yaml")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'count(count by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}}))',
                        "eval_time": f"{minute}m",
                        "exp_samples": expected,
                    }
                ],
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(test))
    run = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    return "" if run.returncode == 0 else run.stdout + run.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_when_its_promise_is_broken(case: Case, promtool: str, tmp_path: Path) -> None:
    assert (
        evaluated(promtool, tmp_path, case.alert, case.fires, case.minute if "_x7" not in str(case.fires) else 12, True)
        == ""
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_is_quiet_while_its_promise_is_kept(case: Case, promtool: str, tmp_path: Path) -> None:
    assert evaluated(promtool, tmp_path, case.alert, case.quiet, case.minute, False) == ""


def test_every_alert_is_tried() -> None:
    document = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    assert {rule["alert"] for group in document["groups"] for rule in group["rules"]} == {case.alert for case in CASES}


@pytest.mark.parametrize("file", ["recording", "alerts"])
def test_prometheus_understands_the_rules(file: str, promtool: str) -> None:
    command = [promtool, "check", "rules", str(MONITORING / f"{file}.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_prometheus_understands_the_example(promtool: str) -> None:
    command = [promtool, "check", "config", str(MONITORING / "prometheus.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
