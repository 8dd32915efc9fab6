"""Sending: leave the message in the mailbox and wake whoever waits for it."""

from channels.web.failures import failure_from
from channels.web.readers import Readers
from channels.web.render import message_body
from core.clock import Clock
from core.errors import StoreError
from core.ids import ConversationId, OutId
from core.ports import Mailbox
from core.replies import ApiCall, Receipt


class MailboxClient:
    """The sending side of one account."""

    def __init__(self, mailbox: Mailbox, readers: Readers, clock: Clock) -> None:
        self._mailbox = mailbox
        self._readers = readers
        self._clock = clock

    async def send(self, call: ApiCall, out_id: OutId, seq: int, conversation_id: ConversationId) -> Receipt:
        """Deliver once; the same `out_id` again changes nothing.

        Raises:
            UnknownOutcome: the mailbox did not confirm.
        """
        body = {**message_body(call), "at": self._clock.now().isoformat()}
        try:
            await self._mailbox.deliver(conversation_id, out_id, seq, body)
        except StoreError as error:
            raise failure_from(error) from error
        self._readers.wake(conversation_id)
        return Receipt(provider_id=str(seq))
