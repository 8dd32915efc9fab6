"""Who owns a conversation: the bot, the queue, an agent. Each change raises the epoch, which fences late replies."""

from core.conversation import Conversation


def to_queue(conversation: Conversation) -> Conversation:
    """Give the conversation to people: the bot's replies of older epochs are not sent any more (row 136)."""
    return conversation.model_copy(update={"owner": "queue", "epoch": conversation.epoch + 1})


def to_bot(conversation: Conversation) -> Conversation:
    """Give the conversation back to the bot. What was collected and asked stays (row 134); failures begin anew."""
    session = conversation.session.model_copy(update={"fallbacks": 0})
    return conversation.model_copy(update={"owner": "bot", "epoch": conversation.epoch + 1, "session": session})
