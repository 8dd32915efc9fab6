"""The stand-ins of `hub.emulate` as a crash test needs them: on free ports, with proofs that take seconds."""

from hub.emulate.pace import Pace
from hub.emulate.platforms import Platforms
from hub.emulate.window import WindowBook
from hub.emulate.world import World

SCALE = 20.0
"""How many times faster platforms try again (FAULTS section A)."""


NO_LIMITS = (
    "{turns_per_min: 1000000, turns_burst: 100000, mails_per_hour: 1000000, mails_read_per_min: 1000000,"
    " answers_per_day: 0, answers_per_domain: 0, pace_factor: 1000}"
)
"""A campaign writes as fast as it can."""


class EverybodyWrote(WindowBook):
    """For people whose messages do not come through the stand-in: nobody's window is shut."""

    def is_open(self, person: str) -> bool:
        return True


def open_to_all(platforms: Platforms) -> None:
    platforms.whatsapp.window = EverybodyWrote(platforms.world.clock)


class QuickPlatforms(Platforms):
    """Points a hub at the stand-ins, and lets it settle sends in doubt soon."""

    def environment(self) -> dict[str, str]:
        return {"FRONTDESK_ABSENCE_PROVEN_AFTER_S": "2", "FRONTDESK_LIMITS": NO_LIMITS, **super().environment()}


def running_platforms(pace: Pace) -> QuickPlatforms:
    """Return all stand-ins, to be entered: they run in this event loop while the block lasts."""
    platforms = QuickPlatforms(World(pace=pace, scale=SCALE))
    open_to_all(platforms)
    return platforms
