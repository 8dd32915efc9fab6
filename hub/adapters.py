"""Which channels there are: this project's own, and adapters that other packages bring by an entry point.

An adapter is a package named in the group `frontdesk.channels`: the entry point's name is the channel's, its value the
package. Three of its modules are read here, as they are of our own channels: `account` (`AccountSettings`, `SWITCH_ON`
and `CONTRACT`), `channel` (`build`) and `render` (`ESCAPES`). A serving hub imports those of channels that a desk has
an account of, and no others. docs/write-an-adapter.md says how one is written.
"""

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from channels.base import CONTRACT, Channel, Resources
from core.errors import ConfigError
from core.ids import AccountName

GROUP = "frontdesk.channels"
BUILT_IN = ("slack", "telegram", "whatsapp", "email", "web")
OURS = "frontdesk"
GUIDE = "docs/write-an-adapter.md"
NAME = re.compile(r"[a-z][a-z0-9]{0,31}")
"""Of a channel: it is part of paths, of variables (where `_` and `-` are one) and of conversations' names."""
TAKEN = frozenset({"absence", "default", "healthz", "metrics", "other", "preview", "readyz", "sample", "spool"})
"""Names that mean something else in paths, in variables, among templates or in numbers."""


def _is_settings(value: Any) -> bool:
    """Tell whether something can be an account's settings: a field that is misspelt must not go by unseen."""
    return isinstance(value, type) and issubclass(value, BaseModel) and value.model_config.get("extra") == "forbid"


def _is_escapes(value: Any) -> bool:
    return isinstance(value, Mapping) and "text" in value and all(map(callable, value.values()))


PARTS: Mapping[str, Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "account": {
        "CONTRACT": ("the version of the contract that it keeps, a number", lambda value: type(value) is int),
        "AccountSettings": ("a pydantic model with extra='forbid'", _is_settings),
        "SWITCH_ON": ("a text", lambda value: isinstance(value, str)),
    },
    "channel": {"build": ("a function", callable)},
    "render": {"ESCAPES": ("a mapping of blocks to functions, with `text` among them", _is_escapes)},
}
"""Module -> what it holds -> what that is, in words and as a check."""


@dataclass(frozen=True)
class Adapter:
    """One channel, and where its code is."""

    channel: str
    package: str
    source: str
    """The distribution and its version: `frontdesk-messenger 0.1.0`; `frontdesk` for our own."""


@cache
def adapters() -> Mapping[str, Adapter]:
    """Return every channel by its name, our own first; what is installed is looked at once.

    Raises:
        ConfigError: one has a name that it cannot have, or names no package; the message says which.
    """
    found = {name: Adapter(name, f"channels.{name}", OURS) for name in BUILT_IN}
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        adapter = Adapter(point.name, point.value, _source(point))
        _check_name(adapter, found)
        found[adapter.channel] = adapter
    return found


def installed() -> tuple[Adapter, ...]:
    """Return the channels that other packages bring."""
    return tuple(adapter for adapter in adapters().values() if adapter.source != OURS)


def channel_names() -> tuple[str, ...]:
    """Return the names of all channels that an account may be of."""
    return tuple(adapters())


def _source(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _check_name(adapter: Adapter, others: Mapping[str, Adapter]) -> None:
    name, source = adapter.channel, adapter.source
    if name in BUILT_IN:
        raise ConfigError(f"{source} brings a channel {name!r}, which is built in; give it another name, or remove it")
    if (other := others.get(name)) is not None:
        raise ConfigError(f"{other.source} and {source} both bring a channel {name!r}; remove one of them")
    if (problem := name_problem(name)) is not None:
        raise ConfigError(f"{source} brings a channel {name!r}: {problem}; give it another name, or remove it")
    if not all(part.isidentifier() for part in adapter.package.split(".")):
        raise ConfigError(f"{source}: the entry point {name} must name a package, not {adapter.package!r}; see {GUIDE}")


def name_problem(name: str) -> str | None:
    """Say why a new channel cannot have this name; None if it can.

    >>> name_problem("fax"), name_problem("web")
    (None, 'that name is taken')
    """
    if name in BUILT_IN or name in TAKEN:
        return "that name is taken"
    return None if NAME.fullmatch(name) else "a name is 1 to 32 lower-case letters and digits, a letter first"


def part(channel: str, name: str) -> ModuleType:
    """Import one module of a channel: `account`, `channel` or `render`.

    Raises:
        ConfigError: there is no such channel; or its module is missing, cannot be imported, or does not keep the
            contract.
    """
    if (adapter := adapters().get(channel)) is None:
        raise ConfigError(no_such_channel(channel))
    path = f"{adapter.package}.{name}"
    if adapter.source == OURS:  # what ours hold is for the tests of this project
        return importlib.import_module(path)
    module = _imported(adapter, path)
    _check_part(adapter, module, name)
    return module


def providers_of(channel: str) -> Mapping[str, tuple[type[BaseModel], str]]:
    """Return who may carry a channel's messages: the settings that each needs, and how it is switched on.

    The first is the one where nobody says otherwise. A channel that knows none has one without a name.

    Raises:
        ConfigError: see `part`.
    """
    account = part(channel, "account")
    providers: Mapping[str, tuple[type[BaseModel], str]] | None = getattr(account, "PROVIDERS", None)
    return providers or {"": (account.AccountSettings, account.SWITCH_ON)}


def no_such_channel(channel: str) -> str:
    """Say what to do about a channel that nothing here brings."""
    known = ", ".join(channel_names())
    return f"there is no channel {channel!r}: use one of {known}, or install the adapter that brings it ({GUIDE})"


def _imported(adapter: Adapter, path: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except Exception as error:  # what somebody else wrote may fail in any way; the user must hear whose
        kind = type(error).__name__
        raise ConfigError(
            f"channel {adapter.channel} ({adapter.source}): {path} cannot be imported: {kind}: {error};"
            " install it again, or remove it"
        ) from error


def _check_part(adapter: Adapter, module: ModuleType, name: str) -> None:
    told = f"channel {adapter.channel} ({adapter.source})"
    for wanted, (words, is_right) in PARTS[name].items():
        if not is_right(getattr(module, wanted, None)):
            raise ConfigError(f"{told}: {module.__name__} needs {wanted}, {words}; see {GUIDE}")
    if name == "account" and module.CONTRACT != CONTRACT:
        raise ConfigError(
            f"{told} keeps version {module.CONTRACT} of the contract, and this Frontdesk has {CONTRACT}:"
            f" install a version of {'Frontdesk' if module.CONTRACT > CONTRACT else 'the adapter'} that fits"
        )


def build_channel(channel: str, account: AccountName, settings: BaseModel, resources: Resources) -> Channel:
    """Build one account of a channel; a platform's library is imported only here.

    Raises:
        ConfigError: the adapter does not keep the contract, or calls itself by another name than its entry point.
    """
    built: Channel = part(channel, "channel").build(account, settings, resources)
    if (built.name, built.account) != (channel, account):
        raise ConfigError(
            f"channel {channel} ({adapters()[channel].source}): what its `build` returned is called"
            f" {built.name}:{built.account} and must be {channel}:{account}"
        )
    return built


def problem_of(adapter: Adapter) -> str | None:
    """Return why an adapter cannot be used; None if nothing is known against it. Imports it."""
    try:
        for name in PARTS:
            part(adapter.channel, name)
    except ConfigError as error:
        return str(error)
    return None


def template_folders() -> dict[str, Path]:
    """Return the folders with templates that adapters bring along, by channel."""
    folders = {adapter.channel: folder for adapter in installed() if (folder := _templates_of(adapter)) is not None}
    return {channel: folder for channel, folder in folders.items() if folder.is_dir()}


def _templates_of(adapter: Adapter) -> Path | None:
    """Look beside the package's code, without running it."""
    try:
        found = importlib.util.find_spec(adapter.package)
    except ImportError:
        return None
    return Path(found.origin).parent / "templates" if found is not None and found.origin is not None else None
