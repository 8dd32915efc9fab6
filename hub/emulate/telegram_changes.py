"""What Telegram tells of edits, reactions, blocks, and groups that become supergroups (T9, T10, T20).

It tells of no deletion.
"""

from collections.abc import Mapping
from typing import Any


def edited(said: Mapping[str, Any], update_id: int, text: str, now_s: int) -> dict[str, Any]:
    """Return the edit of the message in an update."""
    return {"update_id": update_id, "edited_message": {**said["message"], "text": text, "edit_date": now_s}}


def reacted(said: Mapping[str, Any], update_id: int, message_id: int, emoji: str, now_s: int) -> dict[str, Any]:
    """Return a reaction to a message of the chat in which something was said."""
    message = said["message"]
    change = {"chat": message["chat"], "user": message["from"], "message_id": message_id, "date": now_s}
    new = [{"type": "emoji", "emoji": emoji}]
    return {"update_id": update_id, "message_reaction": {**change, "old_reaction": [], "new_reaction": new}}


def standing(
    said: Mapping[str, Any], bot: Mapping[str, Any], update_id: int, now_s: int, *, is_blocked: bool
) -> dict[str, Any]:
    """Return what a bot is told when the person it talks with blocks it, or lets it back (T9)."""
    message = said["message"]
    member, kicked = ({"user": bot, "status": status} for status in ("member", "kicked"))
    old, new = (member, kicked) if is_blocked else (kicked, member)
    change = {"chat": message["chat"], "from": message["from"], "date": now_s}
    return {"update_id": update_id, "my_chat_member": {**change, "old_chat_member": old, "new_chat_member": new}}


def migrated(old: int, new: int, update_ids: tuple[int, int], now_s: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two notices of a group that became a supergroup, one in each chat (T10)."""
    by = {"from": {"id": 1, "is_bot": False, "first_name": "Admin"}, "date": now_s, "message_id": 1}
    chats = {"id": old, "type": "group"}, {"id": new, "type": "supergroup"}
    notices = {"migrate_to_chat_id": new}, {"migrate_from_chat_id": old}
    first, second = (
        {"update_id": update_id, "message": {**by, "chat": chat, **notice}}
        for update_id, chat, notice in zip(update_ids, chats, notices, strict=True)
    )
    return first, second
