"""Whose folder is whose: each process writes into one of its own, and what a dead one left is taken over.

spool/<process>/lock       held (flock) while the process lives; the system lets go of it when the process dies
spool/<process>/*.segment
spool/spool.bad/           damaged records, kept for people
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hub.spool.disk import Disk

LOCK = "lock"
PROBE = "probe"
"""Written and removed again to see whether the disk takes anything."""
BAD = "spool.bad"
SEGMENT_SUFFIX = ".segment"


@dataclass(eq=False)
class Folder:
    """One folder whose lock is ours."""

    path: Path
    handle: int

    def release(self) -> None:
        """Let go of the folder and leave what is in it."""
        os.close(self.handle)

    def remove(self) -> None:
        """Remove the folder, if no segment is in it, and let go of it."""
        with suppress(OSError):  # it stays, and the next process looks into it again
            if not any(path.suffix == SEGMENT_SUFFIX for path in self.path.iterdir()):
                (self.path / PROBE).unlink(missing_ok=True)
                (self.path / LOCK).unlink()
                self.path.rmdir()
        self.release()


def claim(disk: Disk, root: Path, name: str) -> Folder:
    """Create the folder of this process; `name` is never used twice.

    Raises:
        OSError: it cannot be created or locked.
    """
    while True:
        disk.make_folder(root / name)
        with suppress(FileNotFoundError):  # another process took the empty folder for a left-over and removed it
            if (folder := _lock(root / name)) is not None:
                return folder


def adopt(root: Path) -> Iterator[Folder]:
    """Lock and return the folders that belong to no living process."""
    for path in folders_in(root):
        with suppress(FileNotFoundError):  # its owner has just removed it
            if (folder := _lock(path)) is not None:
                yield folder


def folders_in(root: Path) -> list[Path]:
    """Return the folders of all processes, living and dead."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name != BAD)


def is_held(path: Path) -> bool:
    """Tell whether a living process holds a folder."""
    with suppress(FileNotFoundError):
        folder = _lock(path)
        if folder is None:
            return True
        folder.release()
    return False


def _lock(path: Path) -> Folder | None:
    """Lock a folder; None while somebody else holds it.

    Raises:
        FileNotFoundError: the folder is gone.
    """
    handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_ino != (path / LOCK).stat().st_ino:  # removed and made again in between
            raise FileNotFoundError(path)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return Folder(path, handle)
