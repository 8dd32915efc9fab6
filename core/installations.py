"""Where an app was installed by its owners: what the platform gave us there, and until when it counts. Pure."""

from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from core.model import AwareDatetime, Model


class Installation(Model):
    """One workspace, or one organisation, in which an account's app is installed."""

    id: str
    """`channel:account:` and the platform's id of the place."""
    account: str
    """`channel:account`."""
    rev: int = 0
    """Writes so far; 0: not stored yet."""
    place: str
    """The platform's id of the workspace, or of the organisation where `is_whole_organisation`."""
    place_name: str | None = None
    organisation: str | None = None
    is_whole_organisation: bool = False
    token: SecretStr
    """Every call for this place is made with it. Hidden wherever the record is printed."""
    refresh_token: SecretStr | None = None
    expires_at: AwareDatetime | None = None
    """When `token` ends; None: never."""
    renewing_until: AwareDatetime | None = None
    """Until then one process has the renewal to itself."""
    bot_user: str | None = None
    scopes: tuple[str, ...] = ()
    installer: str | None = None
    installed_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    """Since when it is dead; None while it lives."""
    ended_why: str | None = None


class Installations(Protocol):
    """Where installations are kept. Every method raises `StoreUnavailable` when nobody answers."""

    async def find_installation(self, name: str) -> Installation | None:
        """Return one installation, dead or alive."""
        ...

    async def save_installation(self, changed: Installation) -> bool:
        """Write a record that was read or begun; False where somebody else has written it since."""
        ...

    async def installations_of(self, account: str) -> list[Installation]:
        """Return all installations of an account (`channel:account`), by id."""
        ...

    async def use_once(self, name: str, until: datetime) -> bool:
        """Use something up; False where it was used before. What is past `until` may be forgotten."""
        ...
