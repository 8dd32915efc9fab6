"""Packages that bring a channel, as `pip install` leaves them: code, and metadata with the entry point."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.adapters import GROUP, adapters

ACCOUNT = """
from pydantic import BaseModel, ConfigDict
CONTRACT = 1
SWITCH_ON = "Buy a fax machine."
class AccountSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    number: str
"""
CHANNEL = """
from tests.factories import FakeChannel
def build(account, settings, resources):
    return FakeChannel(name="fax", account=account)
"""
RENDER = "ESCAPES = {'text': str}\n"
FAX = {"__init__": "", "account": ACCOUNT, "channel": CHANNEL, "render": RENDER}


@contextmanager
def looked_at_anew() -> Iterator[None]:
    """Forget before and after what is installed, and what was imported of it."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    adapters.cache_clear()
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.split(".")[0] == "frontdesk_fax"]:
        del sys.modules[name]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry: str = "fax", **changes: str | None) -> None:
    """Put a package `frontdesk_fax` into a folder; `changes` are the text of its modules, None leaves one out."""
    code = folder / "frontdesk_fax"
    code.mkdir()
    for name, text in {**FAX, **changes}.items():
        if text is not None:
            (code / f"{name}.py").write_text(text)
    announce(folder, entry, "frontdesk_fax")
    monkeypatch.syspath_prepend(str(folder))


def announce(folder: Path, channel: str, package: str, distribution: str = "frontdesk-fax") -> None:
    """Write the metadata of a distribution that brings a channel."""
    metadata = folder / f"{distribution.replace('-', '_')}-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{channel} = {package}\n")
