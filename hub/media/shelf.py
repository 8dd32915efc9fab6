"""The shelf: fetches a file when somebody asks for it, judges it, and keeps it once under the hash of its content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from channels.base import Channel
from channels.inbound import Inbound
from channels.media import Download
from core.clock import Clock
from core.errors import DeliveryError, MalformedPayload, MediaRefused, PermanentFailure
from core.events import Attachment, MessageReceived
from core.ids import AccountName, ChannelName, account_key
from core.inbox import InboxRow
from core.media import NO_FILES, MediaFile, MediaNote, MediaPolicy, media_name
from core.storage import Store
from hub.media.download import Downloader
from hub.media.kinds import agrees, kind_of
from hub.telemetry import LogNames, Metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Shelf:
    """Satisfies `core.ports.MediaShelf`."""

    store: Store
    channels: Mapping[str, Channel]
    """By `channel:account`."""
    downloader: Downloader
    policy: MediaPolicy
    clock: Clock
    metrics: Metrics
    names: LogNames

    async def fetch(self, row: str, number: int) -> MediaFile:
        """Return an attachment of a message; the first time it is fetched from its platform.

        Raises:
            MediaRefused: it cannot be had; its `state` says why, and so does the note that is kept of it.
            StoreError: the database cannot say.
        """
        name = media_name(row, number)
        for note in await self.store.media_notes([name]):
            if note.sha256 is not None and (file := await self.store.find_media(note.sha256)) is not None:
                return file
        channel, inbound, attachment = await self._find(row, number)
        try:
            file = self.judge(await self._get(channel, attachment, inbound), attachment.media_type)
        except MediaRefused as refusal:
            await self._note(name, channel.name, refusal)
            raise
        await self.store.keep_media(file)
        await self._note(name, channel.name, file)
        return file

    async def keep(self, data: bytes, claimed: str | None) -> MediaFile:
        """Keep what somebody uploaded.

        Raises:
            MediaRefused: too big, or of a type that is not kept.
            StoreError: nothing is kept.
        """
        file = self.judge(data, claimed)
        await self.store.keep_media(file)
        return file

    async def kept(self, sha256: str) -> MediaFile | None:
        """Return a file that is kept."""
        return await self.store.find_media(sha256)

    def judge(self, data: bytes, claimed: str | None) -> MediaFile:
        """Make a file of a content that the policy lets in.

        Raises:
            MediaRefused: `too_big` or `wrong_type`.
        """
        if len(data) > self.policy.max_bytes:
            raise MediaRefused("too_big", f"more than {self.policy.max_bytes} bytes")
        found = kind_of(data)
        if not self.policy.allows(found):
            raise MediaRefused("wrong_type", f"its content is {found}, which is not kept here")
        if not agrees(claimed, found):
            raise MediaRefused("wrong_type", f"its content is {found}, and not what it claims to be")
        return MediaFile(
            sha256=hashlib.sha256(data).hexdigest(),
            media_type=found,
            data=data,
            until=self.clock.now() + timedelta(days=self.policy.kept_days),
        )

    async def _find(self, row_id: str, number: int) -> tuple[Channel, Inbound, Attachment]:
        """Read the message again from its raw bytes: what is attached, and where it came from."""
        row = await self.store.find_inbox(row_id)
        if row is None:
            raise MediaRefused("expired", "the message is not kept any more")
        channel = self.channels.get(account_key(row.channel, row.account))
        if channel is None:
            raise MediaRefused("unavailable", "the account is switched off")
        inbound = Inbound(ChannelName(row.channel), AccountName(row.account), row.body, row.received_at, row.headers)
        attachments = _attachments(channel, inbound, row)
        if not 0 <= number < len(attachments):
            raise MediaRefused("refused", "the message has no such attachment")
        return channel, inbound, attachments[number]

    async def _get(self, channel: Channel, attachment: Attachment, inbound: Inbound) -> bytes:
        if attachment.kind in NO_FILES:
            raise MediaRefused("refused", f"a {attachment.kind} is no file; the message tells all of it")
        if (attachment.size_bytes or 0) > self.policy.max_bytes:
            raise MediaRefused("too_big", f"more than {self.policy.max_bytes} bytes")
        try:
            source = await channel.find_media(attachment, inbound)
        except PermanentFailure as refusal:
            raise MediaRefused("refused", f"the platform refuses: {refusal.code}") from refusal
        except DeliveryError as error:
            raise MediaRefused("unavailable", f"the platform could not be asked: {type(error).__name__}") from error
        if isinstance(source, Download):
            return await self.downloader.get(source, self.policy.max_bytes)
        return source

    async def _note(self, name: str, channel: str, outcome: MediaFile | MediaRefused) -> None:
        """Write down what became of an attachment, for whoever looks at the conversation."""
        now = self.clock.now()
        until = now + timedelta(days=self.policy.kept_days)
        if isinstance(outcome, MediaFile):
            note = MediaNote(id=name, state="kept", sha256=outcome.sha256, at=now, until=until)
        else:
            note = MediaNote(id=name, state=outcome.state, reason=str(outcome), at=now, until=until)
        self.metrics.media.labels(channel, note.state).inc()
        log.info("media", file=self.names.row(name), state=note.state)
        await self.store.note_media(note)


def _attachments(channel: Channel, inbound: Inbound, row: InboxRow) -> tuple[Attachment, ...]:
    try:
        event = channel.normalize(inbound)[row.part]
    except (MalformedPayload, LookupError) as error:
        raise MediaRefused("refused", "the message cannot be read") from error
    return event.attachments if isinstance(event, MessageReceived) else ()
