"""`frontdesk channel new`: a folder with a channel of its own package, to be made another platform's."""

import re
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigError
from hub.adapters import GUIDE, adapters, name_problem
from hub.cli.common import console
from hub.settings import PROJECT

SKELETON = PROJECT / "docs" / "examples" / "skeleton"
PLATFORM = re.compile("parrot", re.IGNORECASE)
"""Who the skeleton is for, until it has your platform's name."""
LEFT_BEHIND = re.compile(r"^\.|^__pycache__$|\.egg-info$|\.pyc$")
"""What running and installing the skeleton leaves in it."""

app = typer.Typer(help="Further channels, as packages of their own.", no_args_is_help=True)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The channel's name: lower-case letters and digits.")],
    folder: Annotated[Path, typer.Option("--in", help="Where to put the folder.")] = Path(),
) -> None:
    """Make a folder with a channel that passes the contract suite as it is; make it your platform's from there."""
    made = make_adapter(name, folder)
    console.print(f"{made} holds a package frontdesk_{name}. Its README.md says what to do; the guide is {GUIDE}.")
    console.print(f"Try it:  cd {made} && python -m pip install -e '.[test]' && pytest", markup=False, soft_wrap=True)


def make_adapter(name: str, folder: Path) -> Path:
    """Copy the skeleton under a channel's name; returns the new folder.

    Raises:
        ConfigError: the name cannot be had, the folder is there already or cannot be written.
    """
    if (other := adapters().get(name)) is not None:
        raise ConfigError(f"{other.source} brings a channel {name!r} already; choose another name")
    if (problem := name_problem(name)) is not None:
        raise ConfigError(f"{name!r} cannot be a channel's name: {problem}")
    if not SKELETON.is_dir():
        raise ConfigError(f"{SKELETON} is not here (the image leaves it out): run this in a checkout of Frontdesk")
    target = folder / f"frontdesk-{name}"
    try:
        target.mkdir(parents=True)
        for source in _skeleton_files():
            path = target / _renamed(source.relative_to(SKELETON).as_posix(), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_renamed(source.read_text(encoding="utf-8"), name), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{target} cannot be made: {error.strerror}") from error
    return target


def _skeleton_files() -> list[Path]:
    files = (path for path in SKELETON.rglob("*") if path.is_file())
    return sorted(path for path in files if not any(map(LEFT_BEHIND.search, path.relative_to(SKELETON).parts)))


def _renamed(text: str, name: str) -> str:
    return PLATFORM.sub(lambda found: name.capitalize() if found[0][0].isupper() else name, text)
