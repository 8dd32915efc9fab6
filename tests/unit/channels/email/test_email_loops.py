"""Mail between machines ends: auto-responders, other hubs, bounces, forged senders (FAULTS section H)."""

import itertools
import random
from collections.abc import Callable
from email import message_from_bytes

import pytest

from channels.email.account import AccountSettings
from channels.email.classify import LOOP_HEADER
from channels.email.compose import compose
from channels.email.normalize import normalize
from channels.email.render import render
from channels.email.threads import MAX_OWN_HOPS, our_message_id
from core.conversation import Conversation
from core.dialogue.hearing import why_ignored
from core.ids import AccountName, DeskName
from core.replies import Reply
from tests.fakes import START
from tests.unit.channels.email.mails import SETTINGS, build, event_of, mail

OTHER = AccountSettings(address="desk@other.example", smtp_host="127.0.0.1", smtp_tls="none", smtp_in_port=0)
ROUNDS = 50


class Words:
    """Says the same to everybody."""

    def block(self, name: str) -> str:
        return "We have got your mail."

    def has(self, name: str) -> bool:
        return name == "text"


class Mailbox:
    """One hub's mailbox: a mail comes in, and perhaps an answer goes out."""

    def __init__(self, settings: AccountSettings) -> None:
        self.settings = settings
        self.out_ids = itertools.count()
        self.sent = 0

    def take(self, raw: bytes) -> bytes | None:
        (event,) = normalize(raw, {}, START, AccountName("help"), self.settings)
        conversation = Conversation(
            id=event.conversation_id, desk=DeskName("support"), channel=event.channel, account=event.account
        )
        if why_ignored(conversation, event) is not None:
            return None
        calls = render(Reply(template="x", kind="answer"), Words(), event.address)
        if not calls:
            return None
        self.sent += 1
        out_id = f"{next(self.out_ids):a>26}".translate(str.maketrans("0189", "bcde"))
        return compose(calls[0].params, out_id, self.settings.domain, START)[1]


def exchange(ours: Mailbox, answers: Callable[[bytes], bytes | None], first: bytes) -> int:
    """Let two sides write until one is silent; returns the mails of ours."""
    coming: bytes | None = first
    for _ in range(ROUNDS):
        going = ours.take(coming) if coming is not None else None
        if going is None:
            break
        coming = answers(going)
    return ours.sent


def test_a_machine_that_says_so_gets_no_mail_at_all() -> None:
    """F100."""
    ours = Mailbox(SETTINGS)
    assert exchange(ours, lambda going: build(Auto_Submitted="auto-replied"), build(Auto_Submitted="auto-replied")) == 0


def test_a_vacation_note_to_our_answer_is_not_answered() -> None:
    """F100, F105: a person writes, is answered, and the person's machine says that the person is away."""
    ours = Mailbox(SETTINGS)
    assert exchange(ours, lambda going: mail("vacation"), build()) == 1


def test_our_own_mail_says_to_every_machine_that_it_is_automatic() -> None:
    """F105, RFC 3834: whoever keeps to the rules does not answer it."""
    sent = Mailbox(SETTINGS).take(build())
    assert sent is not None
    headers = message_from_bytes(sent)
    assert headers["Auto-Submitted"] == "auto-replied"
    assert headers["X-Auto-Response-Suppress"] == "All"
    assert headers[LOOP_HEADER] == "help@shop.example"


@pytest.mark.parametrize("sender", ["no-reply@x.example", "noreply@x.example", "do-not-reply@x.example"])
def test_nothing_is_sent_to_who_says_that_nobody_reads_it(sender: str) -> None:
    """F105."""
    assert Mailbox(SETTINGS).take(build(From=sender)) is None


@pytest.mark.parametrize("dropped", [(), ("Auto-Submitted",), ("Auto-Submitted", "X-Auto-Response-Suppress")])
def test_two_of_our_hubs_fall_silent_after_the_first_answer(dropped: tuple[str, ...]) -> None:
    """F102: even where a relay drops headers and gives the mail another Message-ID."""
    ours, theirs = Mailbox(SETTINGS), Mailbox(OTHER)

    def relayed(going: bytes) -> bytes | None:
        passed = message_from_bytes(going)
        for name in dropped:
            del passed[name]
        if dropped:
            passed.replace_header("Message-ID", "<changed@relay.example>")
        return theirs.take(passed.as_bytes())

    assert exchange(ours, relayed, build(From="desk@other.example")) == 1
    assert theirs.sent == 0


def test_our_own_mail_that_comes_back_with_another_id_and_sender_is_known_as_ours() -> None:
    """F102: a forwarding rule that ends in our own mailbox."""
    sent = Mailbox(SETTINGS).take(build())
    assert sent is not None
    back = message_from_bytes(sent)
    back.replace_header("Message-ID", "<changed@relay.example>")
    back.replace_header("From", "forwarder@relay.example")
    assert event_of(back.as_bytes()).automatic == "self"


def test_a_machine_that_says_nothing_but_refers_to_us_is_left_alone_after_ten_hops() -> None:
    """F101: another Message-ID and subject each time, References as mail programs write them."""
    ours, number = Mailbox(SETTINGS), itertools.count()

    def answers(going: bytes) -> bytes:
        read = message_from_bytes(going)
        n = next(number)
        chain = f"{read['References']} {read['Message-ID']}".replace("\r\n", " ")
        return build(
            b"I am away. Number %d." % n,
            Message_ID=f"<{n}@customer.example>",
            Subject=f"Away {n}",
            References=" ".join(chain.split()),
            In_Reply_To=read["Message-ID"],
        )

    assert exchange(ours, answers, build()) == MAX_OWN_HOPS


def test_a_person_deep_in_a_thread_of_other_people_is_answered() -> None:
    """F101: only our own answers count; people forward threads of any length."""
    chain = " ".join(f"<{n}@customer.example>" for n in range(40))
    assert event_of(build(References=chain)).address["to"] == "jo@customer.example"


def test_a_mail_beyond_the_last_hop_still_reaches_the_transcript() -> None:
    """F101: silence is for the answer, not for the person."""
    chain = " ".join(our_message_id(f"{n:a>26}", "0" * 16, "shop.example") for n in "bcdef")
    event = event_of(build(b"Please call me.", References=chain))
    assert (event.text, event.automatic) == ("Please call me.", None)
    assert "to" not in event.address


LOCAL_PARTS = ("MAILER-DAEMON", "postmaster", "mail-delivery-system", "jo", "mx")
SUBJECTS = ("Undelivered Mail Returned to Sender", "Delivery Status Notification (Failure)", "failure notice", "Re: x")
TEXTS = (b"550 5.1.1 user unknown", b"The mail could not be delivered: mailbox is full", b"")
MARKS: tuple[dict[str, str], ...] = (
    {"Return_Path": "<>"},
    {"Auto_Submitted": "auto-replied (failure)"},
    {"X_Failed_Recipients": "a@b.example"},
    {"Content_Type": 'multipart/report; report-type=delivery-status; boundary="b"'},
)


def bounce(dice: random.Random) -> bytes:
    """Return a report of a failed delivery: by its sender, its marks, or nothing but its words."""
    sender, subject, text = dice.choice(LOCAL_PARTS), dice.choice(SUBJECTS), dice.choice(TEXTS)
    is_evident = sender in LOCAL_PARTS[:3] or (subject in SUBJECTS[:3] and text)
    marks = dice.choice(MARKS) if not is_evident or dice.random() < 0.5 else {}
    return build(text, From=f"{sender}@mx{dice.randrange(99)}.example", Subject=subject, **marks)


def test_bounces_of_every_kind_are_not_answered() -> None:
    """F103: null sender, mailer-daemon, multipart/report, or nothing but the words of a report."""
    dice, ours = random.Random(103), Mailbox(SETTINGS)
    for _ in range(300):
        raw = bounce(dice)
        assert event_of(raw).automatic is not None, raw
        assert ours.take(raw) is None


def test_a_forged_sender_gets_into_no_conversation_and_learns_nothing() -> None:
    """F104: the thread is named by the sender and an id that only the two sides have seen; answers go to From."""
    first = event_of(build(From="ann@customer.example", Message_ID="<k3ts9x@customer.example>"))
    guessed = event_of(
        build(From="ann@customer.example", Message_ID="<e@evil.example>", Reply_To="eve@evil.example", Subject="Re: x")
    )
    assert guessed.conversation_id != first.conversation_id
    assert guessed.address["to"] == "ann@customer.example"
    assert guessed.sender.verified_by == "none"


def test_mail_that_claims_to_be_from_us_is_recorded_as_ours_and_not_answered() -> None:
    """F104."""
    event = event_of(build(From="Support <help@shop.example>", Reply_To="eve@evil.example"))
    assert (event.automatic, "to" in event.address) == ("self", False)
