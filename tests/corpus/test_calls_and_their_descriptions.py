"""Every api call that tests render passes the platform's own description, and slack_sdk's `validate_json()`.

The contract suites, the five shapes and the random replies run again here, with a `render` that asks about each call;
then the shipped templates.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk.errors import SlackObjectFormationError

from channels.slack.channel import SlackChannel
from channels.telegram.channel import TelegramChannel
from channels.whatsapp.channel import WhatsAppChannel
from core.replies import ApiCall, Choice, Reply
from hub.fidelity.check import sample_reply, variants_of
from hub.fidelity.platforms import BY_NAME
from hub.settings import load_settings
from hub.template_check import load_samples
from hub.templating import Templates
from tests.contract.test_slack import TestSlack  # noqa: F401  collected again
from tests.contract.test_telegram import TestTelegram  # noqa: F401
from tests.contract.test_whatsapp import TestWhatsApp  # noqa: F401
from tests.conversation.test_five_shapes import (  # noqa: F401
    chats,
    test_the_same_words_lead_to_the_same_decisions_on_all_five_channels,
)
from tests.descriptions import ASKED, faults
from tests.unit.channels.test_every_reply import (  # noqa: F401
    channels,
    test_nothing_of_a_random_reply_is_lost_or_too_long_and_its_choices_are_read_back,
)

pytestmark = pytest.mark.corpus

WATCHED = (SlackChannel, TelegramChannel, WhatsAppChannel)
Render = Callable[..., tuple[ApiCall, ...]]


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Ask the platform's description about each call that a channel renders; count the calls."""
    count: Counter[str] = Counter()
    for channel in WATCHED:
        monkeypatch.setattr(channel, "render", _asking(channel.name, channel.render, count))
    return count


def _asking(name: str, render: Render, count: Counter[str]) -> Render:
    def asking(*arguments: Any) -> tuple[ApiCall, ...]:
        calls = render(*arguments)
        for call in calls:
            count[name] += 1
            assert faults(name, call) == []
        return calls

    return asking


@pytest.mark.parametrize("name", sorted(ASKED))
def test_every_shipped_template_passes_in_every_locale_and_tone(name: str) -> None:
    read = load_settings(environ={})
    templates, samples = Templates(read.templates), load_samples(read.templates)
    variants = variants_of(templates, read.desks)
    calls = [
        call
        for reply in (sample_reply(reply, sample) for reply, sample in samples.items())
        for locale in variants.locales
        for tone in variants.tones
        for call in BY_NAME[name].render(templates, reply, locale, tone)[0]
    ]
    assert len(calls) >= len(samples) * len(variants.locales) * len(variants.tones)
    assert [fault for call in calls for fault in faults(name, call)] == []


@pytest.mark.parametrize("name", sorted(ASKED))
def test_what_a_channel_renders_is_asked_about(name: str, asked: Counter[str], channels: Any) -> None:  # noqa: F811
    class Hello:
        def block(self, _name: str) -> str:
            return "Hello"

        def has(self, name: str) -> bool:
            return name == "text"

    reply = Reply(template="t", choices=(Choice(token="t1", label="One", value="1"),))
    channels[name].render(reply, Hello(), BY_NAME[name].address)
    assert asked == {name: 1}


@pytest.mark.parametrize(
    ("name", "method", "params"),
    [
        ("slack", "chat.postMessage", {"text": "x", "blocks": []}),
        ("slack", "chat.postMessage", {"channel": "C1", "text": "x", "blocks": [], "unknown": 1}),
        ("slack", "chat.postMessage", {"channel": "C1", "text": "x", "blocks": [{"type": "sectoin"}]}),
        ("telegram", "sendMessage", {"chat_id": 1}),
        ("telegram", "sendMessage", {"chat_id": 1, "text": "x" * 4097}),
        ("telegram", "sendMessage", {"chat_id": 1, "text": "x", "reply_markup": {"inline_keyboard": [[{"txt": "x"}]]}}),
        ("telegram", "sendMessage", {"chat_id": 1, "text": "x", "markup": {}}),
        ("whatsapp", "Messages.create", {"body": "x"}),
        ("whatsapp", "Messages.create", {"to": "whatsapp:+1", "body": "x", "messaging_service_sid": "MG1"}),
        ("whatsapp", "Messages.create", {"to": "whatsapp:+1", "text": "x"}),
    ],
)
def test_a_call_that_breaks_a_description_is_found(name: str, method: str, params: dict[str, Any]) -> None:
    assert faults(name, ApiCall(method=method, params=params, bucket="b")) != []


def test_telegrams_limit_counts_what_is_read_t12() -> None:
    call = ApiCall(method="sendMessage", params={"chat_id": 1, "text": "<b>" + "&lt;" * 4096 + "</b>"}, bucket="b")
    assert faults("telegram", call) == []


def test_slack_sdks_own_limits_are_asked() -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    call = ApiCall(method="chat.postMessage", params={"channel": "C1", "text": "x", "blocks": [section]}, bucket="b")
    with pytest.raises(SlackObjectFormationError):
        faults("slack", call)
