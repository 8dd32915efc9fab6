"""The few things that the spool asks of a file system. Every method raises `OSError` when it could not."""

import os
from pathlib import Path
from typing import BinaryIO

_sync_data = getattr(os, "fdatasync", os.fsync)
"""Without the times of the file, where the system can tell them apart."""


class Disk:
    """The local file system. What customers wrote is readable for us alone."""

    def make_folder(self, path: Path) -> None:
        """Create a folder and those above it, durably."""
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
            self.sync_folder(folder.parent)

    def sync_folder(self, path: Path) -> None:
        """Make durable which files a folder has."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted; none where there is no folder."""
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def create(self, path: Path) -> int:
        """Create a file for appending; it must not exist."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, handle: int, data: bytes) -> None:
        """Append all of the data."""
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    def sync(self, handle: int) -> None:
        """Return when everything that was written is on the disk."""
        _sync_data(handle)

    def close(self, handle: int) -> None:
        """Let go of a file."""
        os.close(handle)

    def open(self, path: Path) -> BinaryIO:
        """Open a file for reading."""
        return path.open("rb")

    def size(self, path: Path) -> int:
        """Return how many bytes a file has."""
        return path.stat().st_size

    def cut(self, path: Path, size: int) -> None:
        """Shorten a file."""
        os.truncate(path, size)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()
