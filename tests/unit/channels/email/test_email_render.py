"""One reply is one mail; nothing a user wrote becomes a header or markup."""

from channels.email.render import ESCAPES, render
from core.events import Address
from core.replies import Choice, Reply
from tests.unit.channels.email.mails import event_of, mail

ADDRESS: Address = {
    "to": "Jo@customer.example",
    "from": "help@shop.example",
    "subject": "My order",
    "in_reply_to": "<a@x>",
    "references": "<a@x>",
    "root16": "0" * 16,
}
CHOICES = (
    Choice(token="t1", label="Track <it>", value="track"),
    Choice(token="t2", label="Return\nit", value="return"),
)


class Words:
    def __init__(self, **blocks: str) -> None:
        self.blocks = blocks

    def block(self, name: str) -> str:
        return self.blocks[name]

    def has(self, name: str) -> bool:
        return name in self.blocks


def test_a_reply_is_one_mail_that_knows_its_thread() -> None:
    (call,) = render(Reply(template="t", kind="question"), Words(text="Hello\n"), ADDRESS)
    assert (call.method, call.bucket, call.kind) == ("smtp.send", "jo@customer.example", "question")
    assert call.params == {
        "from": "help@shop.example",
        "to": "Jo@customer.example",
        "subject": "Re: My order",
        "text": "Hello",
        "in_reply_to": "<a@x>",
        "references": "<a@x>",
        "root16": "0" * 16,
    }


def test_choices_are_numbered_in_text_and_html() -> None:
    (call,) = render(Reply(template="t", choices=CHOICES), Words(text="Pick:", html="<p>Pick:</p>"), ADDRESS)
    assert call.params["text"] == "Pick:\n\n1. Track <it>\n2. Return it"
    assert call.params["html"] == "<p>Pick:</p><ol><li>Track &lt;it&gt;</li><li>Return it</li></ol>"


def test_a_subject_is_one_line_and_gets_one_re() -> None:
    def subject(words: Words, asked: str) -> object:
        (call,) = render(Reply(template="t"), words, ADDRESS | {"subject": asked})
        return call.params["subject"]

    assert subject(Words(text="x"), "RE: My order") == "RE: My order"
    assert subject(Words(text="x"), "") == "Re:"
    assert subject(Words(text="x"), "a\r\nBcc: b@c.example") == "Re: a Bcc: b@c.example"
    assert subject(Words(text="x", subject="Your order\r\nBcc: x"), "y") == "Your order Bcc: x"
    assert len(str(subject(Words(text="x"), "long " * 500))) <= 250


def test_who_must_not_be_answered_gets_no_call() -> None:
    """F100, F105."""
    for name in ("suppress", "vacation", "bounce_dsn"):
        assert render(Reply(template="t"), Words(text="Hello"), event_of(mail(name)).address) == ()


def test_each_block_has_its_own_escape() -> None:
    assert ESCAPES["text"]("a\x00\x07\r\nb <i>") == "a\nb <i>"
    assert ESCAPES["html"]("<b onclick='x'>&") == "&lt;b onclick=&#x27;x&#x27;&gt;&amp;"
    assert ESCAPES["subject"]("a\r\nBcc: b") == "a Bcc: b"
