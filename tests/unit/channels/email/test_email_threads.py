"""Threads by ids, never by subject (CHANNELS 4.3); F104, F107."""

from channels.email.threads import our_message_id, references_for, root16_in, root16_of, thread_of
from tests.unit.channels.email.mails import build, event_of

DOMAIN = "shop.example"


def test_an_answer_to_our_answer_is_in_the_first_mails_thread() -> None:
    first = event_of(build(Message_ID="<first@customer.example>"))
    ours = our_message_id("a" * 26, first.address["root16"], DOMAIN)
    full = event_of(build(Message_ID="<2@x>", In_Reply_To=ours, References=f"<first@customer.example> {ours}"))
    only_ours = event_of(build(Message_ID="<3@x>", In_Reply_To=ours))
    only_root = event_of(build(Message_ID="<4@x>", References="<first@customer.example>"))
    cut_chain = event_of(build(Message_ID="<5@x>", In_Reply_To="<2@x>", References=f"<2@x> {ours}"))
    threads = {event.conversation_id for event in (first, full, only_ours, only_root, cut_chain)}
    assert len(threads) == 1


def test_another_sender_does_not_get_into_a_thread_by_its_ids() -> None:
    """F104: ids can be overheard, so the sender is part of the thread."""
    first = event_of(build(Message_ID="<first@customer.example>"))
    other = event_of(build(From="eve@elsewhere.example", References="<first@customer.example>"))
    assert first.conversation_id != other.conversation_id


def test_the_same_subject_is_not_the_same_thread() -> None:
    one = event_of(build(Message_ID="<1@x>", Subject="Order"))
    two = event_of(build(Message_ID="<2@x>", Subject="Re: Order"))
    assert one.conversation_id != two.conversation_id


def test_only_ids_of_our_own_domain_carry_a_root() -> None:
    assert root16_in(f"<{'a' * 26}.{'0' * 16}@SHOP.example>", DOMAIN) == "0" * 16
    assert root16_in(f"<{'a' * 26}.{'0' * 16}@evil.example>", DOMAIN) is None
    assert root16_in("<x@shop.example>", DOMAIN) is None


def test_in_reply_to_counts_where_references_are_missing() -> None:
    assert root16_of("<c@x>", ["<a@x>"], [], DOMAIN) == root16_of("<a@x>", [], [], DOMAIN)


def test_long_chains_keep_their_root_and_their_end() -> None:
    chain = [f"<{number}@x>" for number in range(50)]
    kept = references_for("<own@x>", [], chain)
    assert kept == ("<0@x>", *(f"<{number}@x>" for number in range(41, 50)), "<own@x>")


def test_a_thread_is_32_hex_digits() -> None:
    thread = thread_of("jo@customer.example", "0" * 16)
    assert len(thread) == 32
    assert int(thread, 16) >= 0
