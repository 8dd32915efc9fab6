"""Where the design folder with real payloads lies, beside the project; tests skip where it is absent."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SHARED = PROJECT.parent / "shared"


def shared_folder(name: str) -> Path:
    """Return a folder beside the project, or skip the test and say what is missing."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/{name} beside the project; it is not there")
    return folder
