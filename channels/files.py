"""Files of a reply as words: a link, so that none is lost where a channel sends no files. Pure."""

from collections.abc import Sequence

from core.events import Attachment
from core.ports import Escape

HAS_ADDRESS = ("https://", "http://")


def has_address(file: Attachment) -> bool:
    """Tell whether a person can open a file by its reference; a platform's own id says nothing elsewhere."""
    return file.reference.startswith(HAS_ADDRESS)


def linked(files: Sequence[Attachment], escape: Escape) -> str:
    """Write a line with name and address for each file that has one.

    >>> linked((Attachment(reference="https://example.org/a.pdf", name="Form"), Attachment(reference="F1")), str)
    'Form: https://example.org/a.pdf'
    """
    return "\n".join(_line(file, escape) for file in files if has_address(file))


def _line(file: Attachment, escape: Escape) -> str:
    address = "".join(file.reference.split())
    return f"{escape(' '.join(file.name.split()))}: {address}" if file.name else address
