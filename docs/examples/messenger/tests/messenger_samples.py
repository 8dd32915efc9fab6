"""What Meta posts about one Page, in the shapes that its pages document; names and ids are made up."""

import json
from typing import Any

from channels.contract import START, a_time
from channels.inbound import Inbound
from core.ids import AccountName, ChannelName

from frontdesk_messenger.account import AccountSettings

PAGE, MIRA, TOM = "104000000000001", "7000000000000001", "7000000000000002"
SECRET = "the app's secret"
WHEN_MS = int(a_time().timestamp() * 1000)


def settings(**more: str) -> AccountSettings:
    """Return what a Page needs, and more."""
    given = {"page_id": PAGE, "access_token": "EAAB-token", "app_secret": SECRET, "verify_token": "our choice"}
    return AccountSettings.model_validate(given | more)


def happening(sender: str = MIRA, recipient: str = PAGE, at_ms: int = WHEN_MS, **what: Any) -> dict[str, Any]:
    """Return one entry of `messaging`."""
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": at_ms, **what}


def message(text: str, mid: str = "m_1", **more: Any) -> dict[str, Any]:
    """Return what Mira wrote."""
    return happening(message={"mid": mid, "text": text, **more})


def echo(text: str, mid: str = "m_echo", **more: Any) -> dict[str, Any]:
    """Return what the Page sent to Mira."""
    return happening(PAGE, MIRA, message={"mid": mid, "text": text, "is_echo": True, "app_id": 4711, **more})


def batch(*happenings: dict[str, Any], page: str = PAGE) -> dict[str, Any]:
    """Return the entry of one Page."""
    return {"id": page, "time": WHEN_MS, "messaging": list(happenings)}


def body(*entries: dict[str, Any]) -> bytes:
    """Return a whole POST."""
    return json.dumps({"object": "page", "entry": list(entries)}).encode()


def posted(*happenings: dict[str, Any]) -> Inbound:
    """Return a POST about our Page as the hub gets it."""
    return received(body(batch(*happenings)))


def received(raw: bytes) -> Inbound:
    """Return any POST as the hub gets it."""
    return Inbound(ChannelName("messenger"), AccountName("shop"), raw, START)
