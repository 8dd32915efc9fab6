"""Files that a visitor sends: taken before the message that names them, judged by the hub, and proven by a token.

The token says which session uploaded what. So nobody can put somebody else's file into a message, nor a content that
they only know the hash of.
"""

import hashlib
from collections.abc import Sequence
from urllib.parse import unquote

from aiohttp import web
from itsdangerous import BadData, URLSafeSerializer
from pydantic import ValidationError

from channels.http import read_body
from channels.web.answers import answer, problem, too_often
from channels.web.gate import Gate
from channels.web.payloads import JournaledFile
from core.errors import MalformedPayload, MediaRefused
from core.media import LARGEST_KEPT_BYTES
from core.ports import MediaShelf

MAX_NAME_CHARS = 255
STATUS_OF = {"too_big": 413, "wrong_type": 415}


class FileTokens:
    """Proofs that a session uploaded a file.

    Args:
        secrets_: newest first; the first signs, all verify.
        account: name of the account; a token of another one is a forgery.
    """

    def __init__(self, secrets_: tuple[str, ...], account: str) -> None:
        self._signer = URLSafeSerializer(
            list(reversed(secrets_)),
            salt=f"frontdesk.web.{account}.file",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def write(self, session_id: str, file: JournaledFile) -> str:
        """Return the token of a file."""
        return str(self._signer.dumps([session_id, file.model_dump(exclude_none=True)]))

    def read(self, session_id: str, tokens: Sequence[str]) -> tuple[JournaledFile, ...]:
        """Return the files that this session uploaded.

        Raises:
            MalformedPayload: a token is not ours, or another session's.
        """
        return tuple(self._read(session_id, token) for token in tokens)

    def _read(self, session_id: str, token: str) -> JournaledFile:
        try:
            owner, fields = self._signer.loads(token)
            if owner != session_id:
                raise MalformedPayload("files: not a file of this conversation")
            return JournaledFile.model_validate(fields)
        except (BadData, ValidationError, ValueError, TypeError) as error:
            raise MalformedPayload("files: not a file of this conversation") from error


class Uploads:
    """The handler that takes one file; `shelf` is None where none are kept."""

    def __init__(self, gate: Gate, tokens: FileTokens, shelf: MediaShelf | None) -> None:
        self._gate = gate
        self._tokens = tokens
        self._shelf = shelf

    async def take(self, request: web.Request) -> web.Response:
        """Take the body as a file; its type is told by its content, its name by `X-File-Name` (percent-encoded).

        Raises:
            InvalidSignature: answer 401.
            StoreError: nothing is kept; answer 503.
        """
        session = self._gate.session_of(request)
        if self._shelf is None:
            return problem(404, "files are not taken here")
        if wait_s := self._gate.wait_for_upload(session):
            return too_often(wait_s)
        data = await read_body(request, LARGEST_KEPT_BYTES)
        if not data:
            return problem(400, "the file is empty")
        try:
            kept = await self._shelf.keep(data, request.content_type)
        except MediaRefused as refusal:
            return problem(STATUS_OF.get(refusal.state, 400), str(refusal))
        name = unquote(request.headers.get("X-File-Name", "")).strip()[:MAX_NAME_CHARS]
        file = JournaledFile(sha256=kept.sha256, media_type=kept.media_type, size_bytes=len(data), name=name or None)
        token = self._tokens.write(session.id, file)
        return answer({"file": token, "media_type": file.media_type, "size_bytes": file.size_bytes}, status=201)
