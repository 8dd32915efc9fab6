import pytest

from channels.telegram.verify import verify
from core.errors import InvalidSignature


def test_the_secret_passes() -> None:
    verify(["s3cret"], ["s3cret"])


@pytest.mark.parametrize(
    "given",
    [[], [""], ["S3CRET"], ["s3cre"], ["s3cret "], ["s3cret", "s3cret"], ["\udcff"], ["ü"]],
    ids=["missing", "empty", "wrong case", "truncated", "longer", "twice", "not UTF-8", "not ASCII"],
)
def test_anything_else_fails_closed(given: list[str]) -> None:
    """F068."""
    with pytest.raises(InvalidSignature):
        verify(given, ["s3cret", "before"])


@pytest.mark.parametrize("given", [[], [""]])
@pytest.mark.parametrize("secrets", [[], [""], ["", ""]])
def test_an_empty_secret_matches_nothing(given: list[str], secrets: list[str]) -> None:
    """F068: no secret configured is a closed door."""
    with pytest.raises(InvalidSignature):
        verify(given, secrets)


def test_during_a_rotation_both_secrets_pass_and_afterwards_only_the_new_one() -> None:
    """F072."""
    verify(["old"], ["new", "old"])
    verify(["new"], ["new", "old"])
    verify(["new"], ["new"])
    with pytest.raises(InvalidSignature):
        verify(["old"], ["new"])
