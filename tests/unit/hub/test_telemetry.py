import errno
import io
import json
import logging
import sys

import pytest
import structlog

from hub.telemetry import LogNames, Metrics, _Output, configure_logging


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch):
    root, output = logging.getLogger(), io.StringIO()
    before = (root.handlers[:], root.level)
    monkeypatch.setattr(sys, "stderr", output)
    configure_logging("INFO")
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_every_line_is_one_json_object_whatever_is_in_it(lines) -> None:
    """F089: newline, ANSI, broken JSON in a field."""
    structlog.get_logger("hub.x").info("turn", value='a\nb\x1b[31m"}{', size=3)
    logging.getLogger("some.library").warning("plain %s", "line\nbreak")
    first, second = lines()
    assert (first["event"], first["value"], first["level"]) == ("turn", 'a\nb\x1b[31m"}{', "info")
    assert second["event"] == "plain line\nbreak"


@pytest.mark.parametrize(
    "secret",
    ["xoxb-1-2-abc", "xapp-1-A-b", "123456789:AAabcdefghijklmnopqrstuvwxyz_-12345", "AC" + "0a" * 16, "Bearer abc.def"],
)
def test_a_token_in_a_message_is_hidden(lines, secret: str) -> None:
    structlog.get_logger("hub.x").warning("failed", detail=f"calling with {secret} failed")
    (line,) = lines()
    assert secret not in json.dumps(line)
    assert "[secret]" in line["detail"]


def test_libraries_that_print_bodies_are_quiet(lines) -> None:
    logging.getLogger("httpx").info("GET /bot123:token/getMe")
    noisy = logging.getLogger("bm25s")
    noisy.setLevel(logging.DEBUG)
    noisy.debug("building index")
    assert lines() == []


def test_lines_that_cannot_be_written_are_counted_and_end_nothing(lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """F038."""

    def dropped() -> float:
        return Metrics().registry.get_sample_value("frontdesk_log_lines_dropped_total") or 0.0

    def fail(_text: str) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    (output,) = (handler.stream for handler in logging.getLogger().handlers if type(handler) is _Output)
    before = dropped()
    structlog.get_logger("hub.x").info("written")
    assert dropped() == before
    with monkeypatch.context() as full:
        full.setattr(output, "write", fail)
        for _ in range(3):
            structlog.get_logger("hub.x").info("lost")
    assert dropped() == before + 3
    assert [line["event"] for line in lines()] == ["written"]


def test_a_conversation_keeps_its_log_name_and_does_not_show_whose_it_is() -> None:
    names = LogNames(b"key")
    assert names("whatsapp:main:+4915112345678") == names("whatsapp:main:+4915112345678")
    assert names("whatsapp:main:+4915112345678") != names("whatsapp:main:+4915112345679")
    assert "4915" not in names("whatsapp:main:+4915112345678")
    assert names("whatsapp:main:+49151").startswith("whatsapp:main:")
    assert LogNames(b"other")("whatsapp:main:+49151") != names("whatsapp:main:+49151")
