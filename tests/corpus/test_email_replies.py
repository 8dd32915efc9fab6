"""Real replies are cut to what was written now, more often than by known libraries; nothing is lost (CHANNELS 4.6)."""

import pytest

from tests.bench.email_fidelity import missing_from_store, others, ours, score, verdicts

pytestmark = pytest.mark.corpus

EXACT = 55
"""Of 61 bodies that have one answer; grows with `docs/fidelity-email.md`."""


def test_replies_are_found_more_often_than_by_the_libraries_beside_us() -> None:
    our_score, their_scores = score(ours), {name: score(cut) for name, cut in others().items()}
    print(our_score, their_scores)
    assert our_score.of >= 61
    assert our_score.exact >= EXACT
    assert any(name.startswith("mail-parser-reply") for name in their_scores)
    assert all(our_score.exact > theirs.exact for theirs in their_scores.values())


def test_no_line_that_a_person_wrote_is_lost() -> None:
    assert score(ours).lost == ()
    assert missing_from_store() == []


def test_no_machine_is_answered_and_no_person_is_discarded() -> None:
    counted = verdicts()
    machines = {"bounce", "auto-reply", "feedback report"}
    assert sum(n for (verdict, _, _), n in counted.items() if verdict in machines) >= 411
    assert [row for row in counted if row[0] in machines and row[2]] == []
    assert {kind for verdict, kind, _ in counted if verdict == "human reply"} == {"human"}
