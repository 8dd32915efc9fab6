"""Words by which people want no more messages, or want them again. Pure.

By SMS Twilio keeps the list and answers: what it answers we do not. On WhatsApp nobody does unless the sender's
messaging service has Advanced Opt-Out, which then says so (`OptOutType`); otherwise the word is ours to honour, before
the bot hears it (SECURITY section 7). Only a word that stands alone counts, as at Twilio.
"""

from collections.abc import Mapping
from typing import Literal

Wish = Literal["stop", "start", "help"]

SMS_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
SMS_START = frozenset({"start", "unstop"})
"""`yes` too brings somebody back at Twilio. It stays a message here: whoever writes can be answered anyway."""
SMS_HELP = frozenset({"help", "info"})
"""Twilio's reserved words: twilio.com/docs/messaging/tutorials/advanced-opt-out, and "Twilio support for opt-out
keywords" (help.twilio.com, article 223134027), read 2026-11."""

STOP_WORDS: Mapping[str, frozenset[str]] = {
    "en": frozenset({"stop", "stopall", "unsubscribe", "optout"}),
    "de": frozenset({"stopp", "abmelden", "abbestellen"}),
    "es": frozenset({"baja"}),
    "fr": frozenset({"arret", "arrêt", "arrete", "arrett"}),
    "nl": frozenset({"afmelden"}),
    "pt": frozenset({"sair"}),
}
"""By language, on WhatsApp. English: the above without those that mean something else in a conversation (`cancel`,
`end`, `quit`). French: twilio.com/docs/proxy/opt-out-keywords. The others are in general use [K]."""
START_WORDS = SMS_START
ALL_STOP_WORDS = frozenset().union(*STOP_WORDS.values())
ADVANCED: Mapping[str, Wish] = {"STOP": "stop", "START": "start", "HELP": "help"}
"""`OptOutType` of a message that a messaging service with Advanced Opt-Out has answered."""


def wish_of(text: str, *, by_sms: bool = False) -> Wish | None:
    """Return what a word asks for; None where it is a message like any other.

    >>> [wish_of(text) for text in ("STOP", " Stopp. ", "please stop", "help")]
    ['stop', 'stop', None, None]
    >>> [wish_of(text, by_sms=True) for text in ("Cancel", "HELP", "yes")]
    ['stop', 'help', None]
    """
    word = text.strip().rstrip(".!").casefold()
    if word in (SMS_STOP if by_sms else ALL_STOP_WORDS):
        return "stop"
    if word in START_WORDS:
        return "start"
    return "help" if by_sms and word in SMS_HELP else None
