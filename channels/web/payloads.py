"""What a visitor's client sends, and what we keep of it. The only payload whose two ends are ours."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

MAX_TEXT_CHARS = 4_000
"""Code points of one message from a visitor."""
MAX_TOKEN_CHARS = 64
"""Our choice tokens have at most 24 characters (`core.replies.Choice`); the rest is room."""
MAX_LABEL_CHARS = 200
UUID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
SESSION = r"^[0-9a-f]{32}$"
"""128 random bits (FAULTS F097)."""
LOCALE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


MAX_FILES = 5
"""Of one message; each has up to a kilobyte of token."""
MAX_FILE_TOKEN_CHARS = 2_000


class Posted(_Lenient):
    """One thing a visitor says: a text, files or both, or a choice, under an id that is repeated when in doubt."""

    id: Annotated[str, Field(pattern=UUID)]
    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS)] | None = None
    choice: Annotated[str, Field(min_length=1, max_length=MAX_TOKEN_CHARS)] | None = None
    label: Annotated[str, Field(max_length=MAX_LABEL_CHARS)] | None = None
    """What the pressed button said, so that the transcript can show it."""
    locale: Annotated[str, Field(pattern=LOCALE)] | None = None
    """BCP 47; what the visitor's browser or phone is set to."""

    files: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_FILE_TOKEN_CHARS)], ...], Field(max_length=MAX_FILES)
    ] = ()
    """Tokens of what was uploaded before."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Posted":
        if (self.choice is None) == (not (self.text or "").strip() and not self.files):
            raise ValueError("give either a text that is not empty, or files, or a choice")
        return self


class JournaledFile(_Lenient):
    """An uploaded file, as its verified token described it."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    media_type: str
    size_bytes: int
    name: str | None = None


class Journaled(Posted):
    """The body that is journaled: tokens are already verified and never kept."""

    session: Annotated[str, Field(pattern=SESSION)]
    uploaded: tuple[JournaledFile, ...] = ()

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Journaled":
        if (self.choice is None) == (not (self.text or "").strip() and not self.uploaded):
            raise ValueError("neither text nor files, or a choice beside them")
        return self


class Hello(_Lenient):
    """The first frame of a socket: who, and what was seen last."""

    type: Literal["hello"]
    token: Annotated[str, Field(max_length=512)]
    after: Annotated[int, Field(ge=0, le=2**53)] = 0


class MessageFrame(Posted):
    """A message over the socket."""

    type: Literal["message"]


class Ping(_Lenient):
    """The client asks whether the line still stands; browsers cannot send WebSocket pings themselves."""

    type: Literal["ping"]


Frame = Annotated[MessageFrame | Ping, Field(discriminator="type")]

FRAME_ADAPTER: TypeAdapter[MessageFrame | Ping] = TypeAdapter(Frame)
"""Reads any frame after the first one."""
