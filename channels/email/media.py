"""A file of a mail: it came with the mail, whose raw bytes are kept. Pure."""

from channels.email.mime import content_of, parse, walk
from core.errors import MalformedPayload, MediaRefused


def part_of(raw: bytes, reference: str) -> bytes:
    """Return the decoded content of one part, `part:3` counted as `reading` counts.

    Raises:
        MediaRefused: there is no such part.
    """
    number = reference.removeprefix("part:")
    try:
        parts = [part for part, _ in walk(parse(raw))]
        return content_of(parts[int(number)])
    except (MalformedPayload, LookupError, ValueError) as error:
        raise MediaRefused("refused", "the mail has no such part") from error
