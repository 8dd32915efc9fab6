"""The cut between what was written now and the history: when in doubt, nothing is lost (CHANNELS 4.6)."""

import pytest

from channels.email.quoting import cut_reply

HISTORY = "On Sun, 22 Nov 2026 at 13:00, Shop <help@shop.example> wrote:\n> How can we help?\n> Tell us."


@pytest.mark.parametrize(
    "history",
    [
        HISTORY,
        "Am 22.11.2026 um 13:00 schrieb Shop <help@shop.example>:\n> Hallo",
        "Le 22 nov. 2026 à 13:00, Shop <help@shop.example> a écrit :\n> Bonjour",
        "From: Shop <help@shop.example>\nSent: Sunday, 22 November 2026 13:00\nTo: Jo\nSubject: Hi\n\nHow can we help?",
        "-----Original Message-----\nHow can we help?",
        "> How can we help?\n> Tell us.",
        "22.11.2026, 13:00, Shop <help@shop.example>:\n> Hello",
        "##- Please write above this line -##\nanything",
        "> ##- Bitte über dieser Zeile antworten -##\n> anything",
        "-- reply above this line --\nanything",
        "-- \nJo Miller\nCustomer Inc.",
    ],
)
def test_the_answer_above_the_history_is_what_was_written(history: str) -> None:
    assert cut_reply(f"Return it, please.\n\n{history}") == "Return it, please."


@pytest.mark.parametrize(
    "text",
    [
        f"{HISTORY}\n\nReturn it, please.",
        f"Hello,\n\n{HISTORY}\nReturn it.\n> What number?\nA-1042",
        "> quoted only",
        "##- nothing above -##\nbut below",
        "-- \nonly a signature",
        "From: Berlin\nI go to Hamburg on Monday.",
        "",
    ],
)
def test_where_the_cut_is_doubtful_everything_stays(text: str) -> None:
    assert cut_reply(text) == text.strip()


def test_a_footer_below_the_quote_is_no_answer_in_between() -> None:
    assert cut_reply(f"Yes.\n\n{HISTORY}\n\n-- \nShop Inc.\nBerlin") == "Yes."


def test_indented_lines_of_an_answer_keep_their_form() -> None:
    assert cut_reply(f"code:\n    x = 1\n\n\n\n    y = 2\n\n{HISTORY}") == "code:\n    x = 1\n\n\n\n    y = 2"


def test_what_a_program_wrote_below_an_answer_goes_with_the_history() -> None:
    footer = "_" * 47 + "\nriak-users mailing list\nriak-users@lists.example\nhttp://lists.example/info\n"
    assert cut_reply(f"Hi folks\n\n-Jo\n\n{footer}") == "Hi folks\n\n-Jo"
    assert (
        cut_reply("Yes\n\n ------------------------------\n\n*From:* Jo [mailto:jo@x.example]\n*Sent:* Friday") == "Yes"
    )
    assert cut_reply("Yes\n\nSent from my Verizon Wireless BlackBerry\n") == "Yes"


def test_what_only_looks_like_it_stays() -> None:
    kept = (
        "Sent from my iPhone",
        "Yes\n__________",
        "Yes\nSent from my desk, as ever.",
        "__________\nJo mailing list\nx",
    )
    assert [cut_reply(text) for text in kept] == list(kept)


def test_a_cut_of_blank_lines_and_rules_is_quick() -> None:
    """F078: each expression is bounded by the line, not by the mail."""
    for line in ("_" * 40 + "\n", "\n", "Sent from my x\n", "_" * 40 + "\nx mailing list\n"):
        assert cut_reply(line * 4000) is not None
