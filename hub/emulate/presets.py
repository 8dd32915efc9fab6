"""The faults that the page offers by name; the control API takes any other."""

from collections.abc import Mapping, Sequence

from hub.emulate.faults import PLATFORMS, Fault, Platform
from hub.emulate.platforms import WhatsAppBy

Preset = tuple[str, Fault]

OWN_REFUSALS: Mapping[Platform, Sequence[tuple[str, str]]] = {
    "slack": (
        ("channel not found", "channel_not_found"),
        ("rate limited, as a 200", "ratelimited"),
        ("internal error, as a 200", "internal_error"),
    ),
    "telegram": (("blocked by the person", "403"), ("chat not found", "400")),
    "whatsapp": (("STOP was said (21610)", "21610"), ("outside the 24 hours (63016, later)", "63016")),
    "email": (
        ("421 instead of a greeting", "421"),
        ("450 mailbox busy", "450"),
        ("550 no such mailbox", "550"),
        ("552 mailbox full", "552"),
    ),
    "orders": (),
    "helpdesk": (("422 not processable", "422"),),
    "model": (("context too long", "context_length_exceeded"),),
}
CLOUD_REFUSALS = (
    ("outside the 24 hours (131047, later)", "131047"),
    ("not reached (131026, later)", "131026"),
    ("too fast for one person (131056)", "131056"),
)
"""Of WhatsApp where the Cloud API carries it."""

Offer = tuple[str, dict[str, str]]

EVERYWHERE: tuple[Offer, ...] = (
    ("too many requests, wait 7 s", {"action": "rate_limit", "retry_after": "7"}),
    ("error, nothing done", {"action": "error"}),
    ("error, but done", {"action": "error", "moment": "after"}),
    ("no answer, nothing done", {"action": "hang"}),
    ("no answer, but done", {"action": "hang", "moment": "after"}),
    ("cut off, nothing done", {"action": "cut"}),
    ("cut off, but done", {"action": "cut", "moment": "after"}),
    ("one byte a second", {"action": "drip"}),
    ("credentials refused", {"action": "unauthorized"}),
    ("port closed", {"action": "closed"}),
)
OVER_HTTP: tuple[Offer, ...] = (
    ("too many requests, no time", {"action": "rate_limit"}),
    ("too many requests, nonsense", {"action": "rate_limit", "retry_after": "soon"}),
    ("half of the answer", {"action": "body", "kind": "truncated"}),
    ("another JSON", {"action": "body", "kind": "wrong_json"}),
    ("no JSON", {"action": "body", "kind": "not_json"}),
    ("50 MB", {"action": "body", "kind": "huge"}),
    ("redirect elsewhere", {"action": "redirect"}),
)


def presets(platform: Platform, whatsapp_by: WhatsAppBy = "twilio") -> list[Preset]:
    """Return what the page offers for a platform: what to call it, and the fault."""
    is_cloud = platform == "whatsapp" and whatsapp_by == "cloud"
    refusals = CLOUD_REFUSALS if is_cloud else OWN_REFUSALS[platform]
    own = [(label, {"action": "refuse", "code": code}) for label, code in refusals]
    offered = [*EVERYWHERE, *(() if platform == "email" else OVER_HTTP), *own]
    return [(label, Fault.model_validate({"platform": platform, **details})) for label, details in offered]


def all_presets(whatsapp_by: WhatsAppBy) -> Mapping[Platform, list[Preset]]:
    """Return what the page offers, by platform."""
    return {platform: presets(platform, whatsapp_by) for platform in PLATFORMS}
