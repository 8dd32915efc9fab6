"""What an operator sets for one mailbox."""

import ipaddress
import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from channels.email.providers import Provider
from channels.email.tokens import MAX_LOCAL_CHARS

MIN_KEY_CHARS = 16

SWITCH_ON = (
    "Give the mailbox's address, smtp_host with smtp_user and smtp_password for answers, and one way in: imap_host "
    "with imap_user and imap_password (often an app password), or smtp_in_port behind your own mail server."
)

Tls = Literal["tls", "starttls", "none"]

PLAIN_ADDRESS = re.compile(r"[^\s@<>(),;:\"\\]+@[^\s@<>(),;:\"\\]+")
"""An address without quoting: what we accept as our own and what we write to."""


class AccountSettings(BaseModel):
    """One mailbox: its addresses, one or two ways in, the way out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    """The mailbox's own address: From of every answer, and its domain ends our Message-IDs."""
    aliases: tuple[str, ...] = ()
    """Further addresses that end in this mailbox."""
    imap_host: str | None = None
    imap_port: int = 993
    imap_user: str | None = None
    imap_password: SecretStr | None = None
    imap_tls: Tls = "tls"
    imap_mailbox: str = "INBOX"
    poll_s: float = Field(default=60.0, gt=0)
    """Seconds between two looks into the mailbox, whatever IDLE says."""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_tls: Tls = "starttls"
    webhook_provider: Provider | None = None
    """Who posts incoming mail, as raw MIME, to `/email/{account}`."""
    webhook_secret: SecretStr | None = None
    """Mailgun's signing key for webhooks; for the others the password in the URL that they are given."""
    reply_key: SecretStr | None = None
    """Signs the address that answers go to (`help+t.…@`) and the envelope's id; only where the mail server delivers
    `name+anything` to `name`. Whoever changes it makes older answers be found by their headers alone."""
    authserv_id: str | None = None
    """The name by which the mail server in front of us begins its Authentication-Results headers (RFC 8601); that
    server has to remove the name from what comes in. Without it none of these headers is believed."""
    check_dkim: bool = True
    """Whether signatures are checked here, which asks name servers for keys; only where `authserv_id` is not set."""
    smtp_in_port: int | None = Field(default=None, ge=0, le=65535)
    """Where our own listener waits for the mail server in front of us; 0 picks a free port."""
    smtp_in_host: str = "127.0.0.1"
    smtp_in_protocol: Literal["smtp", "lmtp"] = "smtp"

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for address in (self.address, *self.aliases):
            if not PLAIN_ADDRESS.fullmatch(address):
                raise ValueError(f"{address!r} is not a mail address of the form name@domain")
        if not self.smtp_host:
            raise ValueError("smtp_host is missing: without it no answer can leave")
        if self.imap_host is None and self.smtp_in_port is None and self.webhook_provider is None:
            raise ValueError(
                "no way in: set imap_host (a mailbox to read), smtp_in_port (a listener of our own) or webhook_provider"
            )
        if self.webhook_provider is not None and not (self.webhook_secret and self.webhook_secret.get_secret_value()):
            raise ValueError("webhook_provider needs webhook_secret")
        if self.imap_host is not None and (not self.imap_user or self.imap_password is None):
            raise ValueError("imap_host needs imap_user and imap_password")
        if self.smtp_user and self.smtp_password is None:
            raise ValueError("smtp_user needs smtp_password")
        if self.reply_key is not None and len(self.reply_key.get_secret_value()) < MIN_KEY_CHARS:
            raise ValueError(f"reply_key is shorter than {MIN_KEY_CHARS} characters")
        if self.reply_key is not None and len(self.address.rpartition("@")[0]) > MAX_LOCAL_CHARS:
            raise ValueError(f"reply_key needs an address with at most {MAX_LOCAL_CHARS} characters before the @")
        _refuse_plain_text("imap", self.imap_host, self.imap_tls)
        _refuse_plain_text("smtp", self.smtp_host, self.smtp_tls)
        return self

    @property
    def own_addresses(self) -> frozenset[str]:
        """Every address of this mailbox, in lower case."""
        return frozenset(address.lower() for address in (self.address, *self.aliases))

    @property
    def webhook(self) -> tuple[Provider, bytes] | None:
        """Who posts mail, and the secret that shows it; None where nobody does."""
        if self.webhook_provider is None or self.webhook_secret is None:
            return None
        return self.webhook_provider, self.webhook_secret.get_secret_value().encode()

    @property
    def signing_key(self) -> bytes | None:
        """What tokens are signed with; None where there are none."""
        return self.reply_key.get_secret_value().encode() if self.reply_key is not None else None

    @property
    def checks_dkim(self) -> bool:
        """Whether we check signatures ourselves: nobody in front of us does it."""
        return self.check_dkim and self.authserv_id is None

    @property
    def domain(self) -> str:
        """The part behind the @ of the mailbox's own address, in lower case."""
        return self.address.rpartition("@")[2].lower()


def _refuse_plain_text(name: str, host: str | None, tls: Tls) -> None:
    if host is not None and tls == "none" and not is_loopback(host):
        raise ValueError(
            f"{name}_tls: none would send the password and people's mail in plain text to {host}; "
            "use tls or starttls (plain text is for this machine only)"
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, without asking a name server.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "mail.example.com", "10.0.0.1")]
    [True, True, True, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
