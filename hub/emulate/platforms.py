"""All stand-ins of one run: their ports, their faults, and the environment that points a hub at them."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from hub.emulate import cloud, mail, slack, telegram, twilio
from hub.emulate.faults import Fault, Platform
from hub.emulate.helpdesk import HelpdeskStandin
from hub.emulate.http import HttpPort
from hub.emulate.model import ModelStandin
from hub.emulate.orders import OrdersStandin
from hub.emulate.slack_installs import CLIENT_ID, CLIENT_SECRET
from hub.emulate.world import LOOPBACK, World

WhatsAppBy = Literal["twilio", "cloud"]
"""Who carries WhatsApp's messages."""
SlackBy = Literal["token", "installs"]
"""Whether the Slack account has one workspace's token, or is installed by workspaces through OAuth."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The names of the accounts in the hub's configuration."""

    slack: str = "acme"
    telegram: str = "support"
    whatsapp: str = "main"
    email: str = "help"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the stand-ins listen, on the loopback; 0 picks a free port."""

    slack: int = 0
    telegram: int = 0
    whatsapp: int = 0
    email: int = 0
    orders: int = 0
    helpdesk: int = 0
    model: int = 0
    hub_mail: int = 0
    """Where the hub is to listen for people's mails."""

    @classmethod
    def after(cls, first: int) -> "Ports":
        """Return the eight ports behind this one; behind 0 free ones.

        >>> Ports.after(8090).slack, Ports.after(8090).hub_mail
        (8091, 8098)
        """
        return cls(*range(first + 1, first + 9)) if first else cls()


class Opening(Protocol):
    """What can be opened and closed."""

    port: int

    async def open(self) -> None:
        """Listen."""
        ...

    async def close(self) -> None:
        """Refuse connections."""
        ...


class Platforms:
    """What a hub talks to; runs in this event loop while it is entered."""

    def __init__(
        self,
        world: World,
        ports: Ports = Ports(),
        accounts: Accounts = Accounts(),
        whatsapp_by: WhatsAppBy = "twilio",
        slack_by: SlackBy = "token",
    ) -> None:
        self.world = world
        self.ledger = world.ledger
        self.pace = world.pace
        self.accounts = accounts
        self.whatsapp_by = whatsapp_by
        self.slack_by = slack_by
        self.slack = slack.SlackStandin(world)
        self.telegram = telegram.TelegramStandin(world)
        self.twilio = twilio.TwilioStandin(world)
        self.cloud = cloud.CloudStandin(world)
        self.mail = mail.MailStandin(world, ports.email)
        self.helpdesk = HelpdeskStandin(world)
        self.model = ModelStandin(world)
        self.mail_sender = mail.MailSender(world, ports.hub_mail or _free_port())
        self.http: Mapping[Platform, HttpPort] = {
            "slack": HttpPort(self.slack, world, ports.slack),
            "telegram": HttpPort(self.telegram, world, ports.telegram),
            "whatsapp": HttpPort(self.whatsapp, world, ports.whatsapp),
            "orders": HttpPort(OrdersStandin(), world, ports.orders),
            "helpdesk": HttpPort(self.helpdesk, world, ports.helpdesk),
            "model": HttpPort(self.model, world, ports.model),
        }
        self._doors: Mapping[Platform, Opening] = {**self.http, "email": self.mail}

    @property
    def whatsapp(self) -> cloud.CloudStandin | twilio.TwilioStandin:
        """Return who carries WhatsApp in this run."""
        return self.cloud if self.whatsapp_by == "cloud" else self.twilio

    @property
    def mail_in_port(self) -> int:
        """Return where the hub is to listen for people's mails."""
        return self.mail_sender.port

    async def __aenter__(self) -> Self:
        try:
            for door in self._doors.values():
                await door.open()
        except OSError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for door in self._doors.values():
            await door.close()
        await self.world.stop()

    async def add_fault(self, fault: Fault) -> None:
        """Let this go wrong from now on."""
        self.world.faults.add(fault)
        if fault.action == "closed":
            await self._doors[fault.platform].close()

    async def remove_fault(self, fault: Fault) -> None:
        """Let this work again."""
        self.world.faults.remove(fault)
        await self._reopen()

    async def heal(self) -> None:
        """Let everything work again."""
        for fault in self.world.faults.active():
            self.world.faults.remove(fault)
        await self._reopen()

    async def _reopen(self) -> None:
        closed = {fault.platform for fault in self.world.faults.active() if fault.action == "closed"}
        for platform, door in self._doors.items():
            if platform not in closed:
                await door.open()

    def environment(self) -> dict[str, str]:
        """Return what makes a hub use these and no other platforms."""
        own = self.accounts
        return {
            "FRONTDESK_ORDERS_URL": self.http["orders"].url,
            **_fields(
                f"SLACK_{own.slack}",
                mode="http",
                **self._slack_fields(),
                signing_secret=slack.SIGNING_SECRET,
                api_url=f"{self.http['slack'].url}/api/",
            ),
            **_fields(
                f"TELEGRAM_{own.telegram}",
                mode="webhook",
                token=telegram.TOKEN,
                webhook_secret=telegram.WEBHOOK_SECRET,
                username=telegram.USERNAME,
                api_url=self.http["telegram"].url,
            ),
            **_fields(f"WHATSAPP_{own.whatsapp}", **self._whatsapp_fields(), api_url=self.http["whatsapp"].url),
            **_fields(
                f"EMAIL_{own.email}",
                address=mail.ADDRESS,
                smtp_host=LOOPBACK,
                smtp_port=str(self.mail.port),
                smtp_tls="none",
                smtp_in_port=str(self.mail_in_port),
            ),
        }

    def _slack_fields(self) -> dict[str, str]:
        if self.slack_by == "token":
            return {"bot_token": slack.BOT_TOKEN}
        return {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    def _whatsapp_fields(self) -> dict[str, str]:
        if self.whatsapp_by == "twilio":
            told = {"account_sid": twilio.SID, "auth_token": twilio.AUTH_TOKEN, "number": twilio.NUMBER}
            return {"provider": "twilio", **told}
        return {
            "provider": "cloud",
            "phone_number_id": cloud.NUMBER_ID,
            "access_token": cloud.ACCESS_TOKEN,
            "app_secret": cloud.APP_SECRET,
            "verify_token": cloud.VERIFY_TOKEN,
        }


def _fields(account: str, **values: str) -> dict[str, str]:
    """Name the variables of one account as `hub.settings.variable` does."""
    prefix = f"FRONTDESK_{account}".replace("-", "_").upper()
    return {f"{prefix}_{name.upper()}": value for name, value in values.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
