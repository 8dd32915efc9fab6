"""Files that people sent, as a platform keeps them."""

import uuid
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A content, and the type that the sender's app named."""

    data: bytes
    media_type: str


@dataclass
class Files:
    """By their id."""

    _kept: dict[str, KeptFile] = field(default_factory=dict)

    def add(self, data: bytes, media_type: str) -> str:
        """Keep a file; returns its id."""
        name = f"F{uuid.uuid4().hex[:10].upper()}"
        self._kept[name] = KeptFile(data, media_type)
        return name

    def find(self, name: str) -> KeptFile | None:
        """Return a file, unless the platform has it no longer."""
        return self._kept.get(name)

    def forget(self, name: str) -> None:
        """Have a file no longer."""
        self._kept.pop(name, None)
