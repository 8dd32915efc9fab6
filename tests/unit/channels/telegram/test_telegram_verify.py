import pytest

from channels.telegram.verify import verify
from core.errors import InvalidSignature


def test_the_secret_passes() -> None:
    verify(["s3cret"], "s3cret")


@pytest.mark.parametrize(
    "given",
    [[], [""], ["S3CRET"], ["s3cre"], ["s3cret "], ["s3cret", "s3cret"], ["\udcff"], ["ü"]],
    ids=["missing", "empty", "wrong case", "truncated", "longer", "twice", "not UTF-8", "not ASCII"],
)
def test_anything_else_fails_closed_f068(given: list[str]) -> None:
    with pytest.raises(InvalidSignature):
        verify(given, "s3cret")


@pytest.mark.parametrize("given", [[], [""]])
def test_an_empty_secret_matches_nothing(given: list[str]) -> None:
    with pytest.raises(InvalidSignature):
        verify(given, "")
