"""Configuration: `config/frontdesk.yaml`, the environment and secret files become one frozen `Settings`.

The only file that reads the environment. A secret may come as `NAME` or, better, as `NAME_FILE` holding a path. An
account's field is `FRONTDESK_<CHANNEL>_<ACCOUNT>_<FIELD>`: `FRONTDESK_SLACK_ACME_BOT_TOKEN`.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError

from core.errors import ConfigError
from core.ids import DeskName
from core.media import MediaPolicy
from core.model import Model
from core.outbox import LostPolicy
from hub.adapters import channel_names, no_such_channel, providers_of

GENERATED_SECRETS = {"web": "secret"}
"""Fields that the hub makes up and keeps in the data folder when nobody gives them."""
PROJECT = Path(__file__).resolve().parents[1]

TEXTUAL = (str, str | None, SecretStr, SecretStr | None)
"""Types that take an environment variable as it is; others (lists, numbers) are read as YAML."""

SECTIONS = frozenset(
    {"server", "database", "connectors", "outgoing", "limits", "spool", "media", "understanding", "desks", "accounts"}
)
"""What the file may hold."""

Role = Literal["all", "web", "worker", "mail"]
NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is no time zone; Europe/Berlin is one")
    return name


class Desk(Model):
    """One service with its own accounts, tone and languages."""

    name: DeskName
    accounts: tuple[str, ...]
    """`channel:account`."""
    tone: str = "friendly"
    languages: tuple[str, ...] = ("en",)
    introduces_itself: bool = True
    """Whether the bot says who it is, once, when it is added to a group or a channel."""
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = "UTC"
    """IANA name: what "yesterday" means where nobody tells the customer's own."""


class AccountPlan(Model):
    """What the configuration says about one account."""

    channel: str
    name: str
    provider: str = ""
    """Who carries its messages, where a channel knows several."""
    settings: BaseModel | None
    """None while something is missing: the account is off."""
    missing: tuple[str, ...] = ()
    """Environment variables that would switch it on."""
    switch_on: str = ""

    @property
    def key(self) -> str:
        """Return `channel:account`."""
        return f"{self.channel}:{self.name}"


class Server(Model):
    """Where the hub listens, and how the outside reaches it."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
    """Origin that platforms and visitors see; empty means `http://host:port`."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Whose `X-Forwarded-For` is believed: the networks of our own proxies, and nobody else's."""


class Database(Model):
    """A real MongoDB by its URI, or the embedded one."""

    uri: str | None = Field(default=None, repr=False)
    """May hold a password."""
    name: str = "frontdesk"
    embedded_port: int = Field(default=27117, ge=1, le=65535)


class Outgoing(Model):
    """How sends in doubt are settled, and what is done about lost ones."""

    absence_proven_after_s: float = Field(default=30.0, ge=0.0)
    when_lost: LostPolicy = LostPolicy()
    """What is done about replies that were refused, given up or not delivered, by their kind."""


class Limits(Model):
    """How much one sender, one account or one address may ask for (SECURITY section 6). Nothing accepted is dropped."""

    turns_per_min: float = Field(default=20.0, gt=0)
    """Of one person on a chat channel, after a burst of `turns_burst`; what is more waits."""
    turns_burst: int = Field(default=20, ge=1)
    mails_per_hour: float = Field(default=20.0, gt=0)
    """Of one address to the bot, after a burst of as many (FAULTS F106)."""
    answers_per_day: int = Field(default=3, ge=0, le=1000)
    """Automatic answers to one mail address in 24 hours, whatever it writes about (FAULTS F101); 0: no limit."""
    answers_per_domain: int = Field(default=200, ge=0, le=1000)
    """The same to all addresses of one domain together (CHANNELS 4.4); 0: no limit."""
    mails_read_per_min: float = Field(default=300.0, gt=0)
    """Of one mailbox: mails that are parsed (FAULTS F106)."""
    refused_per_min: int = Field(default=60, ge=1)
    """Requests of one network address that are answered 400, 401, 408, 413 or 415; then it gets 429 for a while."""
    requests_at_once: int = Field(default=1000, ge=1)
    """Requests with a body that this process works on at a time; what is more gets 503."""
    pace_factor: float = Field(default=1.0, gt=0)
    """Sends, as a multiple of what platforms take by default: more where a platform has granted more."""


class Spool(Model):
    """Where payloads wait on this machine's disk while the database is away."""

    folder: Path | None = None
    """None: `spool` in the data folder. Processes may share it."""
    max_bytes: int = Field(default=512 * 1024 * 1024, ge=0)
    """Of one process; an hour of 50 payloads a second (FAULTS F017)."""


class Connectors(Model):
    """The systems behind the bot's actions."""

    orders_url: str | None = None
    """None: the bundled sample orders, for trials."""
    timeout_s: float = 5.0


class Understanding(Model):
    """What reads a text beside its words and their pieces (docs/nlu.md)."""

    backend: Literal["auto", "lexical", "static", "encoder"] = "auto"
    """`auto`: static vectors where the extra `semantic` is installed, else lexical alone."""
    encoder_folder: Path | None = None
    """Of `encoder`: `model.onnx` and `tokenizer.json` of a sentence encoder that the operator supplies."""


class Settings(Model):
    """Everything the hub is told before it starts."""

    server: Server = Server()
    database: Database = Database()
    connectors: Connectors = Connectors()
    outgoing: Outgoing = Outgoing()
    limits: Limits = Limits()
    spool: Spool = Spool()
    media: MediaPolicy = MediaPolicy()
    understanding: Understanding = Understanding()
    desks: tuple[Desk, ...]
    accounts: tuple[AccountPlan, ...]
    source: Path | None = None
    """The file that this was read from."""
    data: Path
    content: Path
    templates: Path
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    nats_url: str | None = None
    node: str | None = None
    """A name that this process keeps over restarts and shares with no other: it takes back what it held at once."""
    failpoints: str = ""
    """Where a test stops the world (`hub/failpoints.py`); empty outside tests."""
    log_key: bytes = Field(repr=False)
    link_key: bytes = Field(repr=False)
    """Signs links to files; processes that share a data folder share it."""

    @property
    def origin(self) -> str:
        """Return the origin that platforms and visitors see, without a trailing slash."""
        return self.server.public_url.rstrip("/") or f"http://{self.server.host}:{self.server.port}"

    @property
    def spool_folder(self) -> Path:
        """Return the folder of the spool."""
        return self.spool.folder or self.data / "spool"

    @property
    def desk_of(self) -> dict[str, Desk]:
        """Return each account's desk, by `channel:account`."""
        return {account: desk for desk in self.desks for account in desk.accounts}


@dataclass(frozen=True)
class Environment:
    """The process environment, with secrets from files."""

    values: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """Return a value, from `NAME` or from the file named by `NAME_FILE`; empty counts as absent.

        Raises:
            ConfigError: the file cannot be read.
        """
        if path := self.values.get(f"{name}_FILE"):
            try:
                return Path(path).read_text().strip() or None
            except OSError as error:
                raise ConfigError(f"{name}_FILE names {path}, which cannot be read: {error.strerror}") from error
        return self.values.get(name) or None


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the configuration.

    Args:
        path: the YAML file; by default `FRONTDESK_CONFIG`, else `config/frontdesk.yaml` of the project.
        environ: the environment; by default the process's own.
        overrides: `host`, `port`, `data` from the command line.

    Raises:
        ConfigError: names the file, the field and what is expected.
    """
    environment = Environment(os.environ if environ is None else environ)
    path = path or Path(environment.get("FRONTDESK_CONFIG") or PROJECT / "config" / "frontdesk.yaml")
    document = _read_yaml(path)
    data = Path(overrides.get("data") or environment.get("FRONTDESK_DATA") or PROJECT / "data").resolve()
    desks = _desks(document, path)
    try:
        return Settings(
            server=Server.model_validate(_server(document, environment, overrides)),
            database=Database.model_validate(_database(document, environment)),
            connectors=Connectors.model_validate(_connectors(document, environment)),
            outgoing=Outgoing.model_validate(_outgoing(document, environment)),
            limits=Limits.model_validate(_limits(document, environment)),
            spool=Spool.model_validate(_spool(document, environment)),
            media=MediaPolicy.model_validate(document.get("media") or {}),
            understanding=Understanding.model_validate(document.get("understanding") or {}),
            desks=desks,
            accounts=_accounts(desks, document.get("accounts") or {}, environment, data),
            source=path,
            data=data,
            content=Path(environment.get("FRONTDESK_CONTENT") or path.resolve().parent / "content"),
            templates=Path(environment.get("FRONTDESK_TEMPLATES") or PROJECT / "templates"),
            log_level=environment.get("FRONTDESK_LOG_LEVEL") or "INFO",
            nats_url=environment.get("FRONTDESK_NATS_URL"),
            node=environment.get("FRONTDESK_NODE"),
            failpoints=_failpoints(environment),
            log_key=_kept_secret(data, "log_key").encode(),
            link_key=_kept_secret(data, "link_key").encode(),
        )
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from error


def account_anew(settings: Settings, key: str, environ: Mapping[str, str] | None = None) -> BaseModel | None:
    """Read the settings of one account once more: a secret that comes from a file may be another by now.

    Returns:
        None: the account is gone, or something is missing.

    Raises:
        ConfigError: they cannot be read.
    """
    fresh = load_settings(settings.source, environ, data=settings.data)
    return next((plan.settings for plan in fresh.accounts if plan.key == key), None)


def _failpoints(environment: Environment) -> str:
    """Return the failpoints of a test; outside a test they are refused, so that none reaches a real customer.

    Raises:
        ConfigError: they are set, and `FRONTDESK_ENV` is not `test`.
    """
    written = environment.get("FRONTDESK_FAILPOINTS") or ""
    if environment.get("FRONTDESK_ENV") != "test" and written:
        raise ConfigError("FRONTDESK_FAILPOINTS is for tests: unset it, or set FRONTDESK_ENV=test")
    return written


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}; copy config/frontdesk.yaml from the project"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: a mapping with the key `desks` is expected")
    if unknown := set(document) - SECTIONS:
        raise ConfigError(f"{path}: unknown key {', '.join(sorted(unknown))}")
    return document


def _chosen(document: Mapping[str, Any], section: str, choices: Mapping[str, str | None]) -> dict[str, Any]:
    """Merge a section of the file with what the environment says; the environment wins."""
    return (document.get(section) or {}) | {key: value for key, value in choices.items() if value is not None}


def _server(document: Mapping[str, Any], environment: Environment, overrides: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: environment.get(f"FRONTDESK_{name.upper()}") for name in ("host", "port", "public_url")}
    if proxies := environment.get("FRONTDESK_TRUSTED_PROXIES"):
        given["trusted_proxies"] = yaml.safe_load(proxies)
    given |= {name: overrides[name] for name in ("host", "port") if overrides.get(name) is not None}
    return _chosen(document, "server", given)


def _database(document: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    given = {
        "uri": environment.get("FRONTDESK_MONGO_URI"),
        "name": environment.get("FRONTDESK_MONGO_DATABASE"),
        "embedded_port": environment.get("FRONTDESK_DATABASE_PORT"),
    }
    return _chosen(document, "database", given)


def _connectors(document: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    return _chosen(document, "connectors", {"orders_url": environment.get("FRONTDESK_ORDERS_URL")})


def _outgoing(document: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    name = "absence_proven_after_s"
    return _chosen(document, "outgoing", {name: environment.get("FRONTDESK_ABSENCE_PROVEN_AFTER_S")})


def _spool(document: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    given = {name: environment.get(f"FRONTDESK_SPOOL_{name.upper()}") for name in ("folder", "max_bytes")}
    return _chosen(document, "spool", given)


def _limits(document: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    given = yaml.safe_load(environment.get("FRONTDESK_LIMITS") or "{}")
    if not isinstance(given, dict):
        raise ConfigError("FRONTDESK_LIMITS: a mapping is expected, {turns_per_min: 30}")
    return _chosen(document, "limits", given)


def _desks(document: Mapping[str, Any], path: Path) -> tuple[Desk, ...]:
    described = document.get("desks")
    if not isinstance(described, dict) or not described:
        raise ConfigError(f"{path}: `desks` must name at least one desk with its accounts")
    try:
        desks = tuple(Desk.model_validate((fields or {}) | {"name": name}) for name, fields in described.items())
    except ValidationError as error:
        raise ConfigError(f"{path}: desks: {_explain(error)}") from error
    keys = [account for desk in desks for account in desk.accounts]
    for key in keys:
        _check_account(key, path)
        if keys.count(key) > 1:
            raise ConfigError(f"{path}: {key} belongs to two desks; an account has one desk")
    return desks


def _check_account(key: str, path: Path) -> None:
    channel, _, name = key.partition(":")
    if channel not in channel_names():
        raise ConfigError(f"{path}: {key!r} is not an account: {no_such_channel(channel)}")
    if not NAME.match(name):
        raise ConfigError(f"{path}: {key!r} is not an account: write channel:name, the name in a-z, 0-9, - and _")


def _accounts(
    desks: tuple[Desk, ...], described: Mapping[str, Any], environment: Environment, data: Path
) -> tuple[AccountPlan, ...]:
    keys = [account for desk in desks for account in desk.accounts]
    if unknown := set(described) - set(keys):
        raise ConfigError(f"accounts: {', '.join(sorted(unknown))} belong to no desk")
    return tuple(_account(key, described.get(key) or {}, environment, data) for key in keys)


def variable(channel: str, account: str, field: str) -> str:
    """Name the environment variable of one field of one account.

    >>> variable("slack", "acme-eu", "bot_token")
    'FRONTDESK_SLACK_ACME_EU_BOT_TOKEN'
    """
    return f"FRONTDESK_{channel}_{account}_{field}".upper().replace("-", "_")


def _account(key: str, described: Mapping[str, Any], environment: Environment, data: Path) -> AccountPlan:
    channel, _, name = key.partition(":")
    provider, (model, switch_on) = _needs(key, described, environment)
    plan = AccountPlan(channel=channel, name=name, provider=provider, settings=None, switch_on=switch_on)
    given = dict(described)
    for field in model.model_fields:
        if (value := environment.get(variable(channel, name, field))) is not None:
            given[field] = yaml.safe_load(value) if model.model_fields[field].annotation not in TEXTUAL else value
    if channel in GENERATED_SECRETS:
        given.setdefault(GENERATED_SECRETS[channel], _kept_secret(data, f"{channel}_{name}"))
    try:
        return plan.model_copy(update={"settings": model.model_validate(given)})
    except ValidationError as error:
        if _is_incomplete(error):
            return plan.model_copy(update={"missing": tuple(_missing(error, channel, name))})
        raise ConfigError(f"account {key}: {_explain(error)}") from error


def _needs(key: str, described: Mapping[str, Any], environment: Environment) -> tuple[str, tuple[type[BaseModel], str]]:
    """Return an account's provider, the settings that it needs there and how it is switched on.

    Raises:
        ConfigError: there is no such provider.
    """
    channel, _, name = key.partition(":")
    providers = providers_of(channel)
    if "" in providers:
        return "", providers[""]
    chosen = environment.get(variable(channel, name, "provider")) or described.get("provider") or next(iter(providers))
    if chosen not in providers:
        raise ConfigError(f"account {key}: provider: {chosen!r} is none of {', '.join(providers)}")
    return str(chosen), providers[chosen]


def _is_incomplete(error: ValidationError) -> bool:
    """Tell an account that nobody has set up yet from one that is set up wrong."""
    return all(entry["type"] in {"missing", "value_error"} for entry in error.errors()) and any(
        entry["type"] == "missing" or not entry["loc"] for entry in error.errors()
    )


def _missing(error: ValidationError, channel: str, name: str) -> list[str]:
    return [
        variable(channel, name, str(entry["loc"][0])) if entry["loc"] else entry["msg"].removeprefix("Value error, ")
        for entry in error.errors()
    ]


def _explain(error: ValidationError) -> str:
    """Say what is wrong without repeating the value, which may be a secret."""
    lines = (f"{'.'.join(str(part) for part in entry['loc'])}: {entry['msg']}" for entry in error.errors())
    return "; ".join(lines)


def _kept_secret(data: Path, name: str) -> str:
    """Return a secret of our own making, from the data folder; make it on first use."""
    path = data / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{name}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):  # another process was faster: its secret counts
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_text()
