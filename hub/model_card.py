"""The card of an intent model: what it was learned from, how well it reads, and what it cannot do (row 150)."""

from collections import Counter
from collections.abc import Sequence

from core.dialogue.intents import Intent
from core.nlu.calibration import REJECTED
from core.nlu.model import Model

FEW_EXAMPLES = 20
"""An intent with fewer is named on the card: its figures are luck as much as anything else."""


def model_card(model: Model, file_name: str, content_version: str, intents: Sequence[Intent]) -> str:
    """Write the card, in Markdown."""
    scores = model.scores
    backend = model.encoder.name if model.encoder is not None else "lexical"
    few = [f"{intent.name} ({len(intent.examples)})" for intent in intents if 0 < len(intent.examples) < FEW_EXAMPLES]
    sources = Counter(example.source for intent in intents for example in intent.examples)
    lines = [
        f"# {file_name}",
        "",
        f"- backend: {backend}",
        f"- content: {content_version}; the file's name holds a hash of the examples, and fits no others",
        f"- examples: {scores.examples} of {len(model.intents)} intents"
        f" ({sources['real']} said by customers, {sources['synthetic']} made up, the rest are questions of articles)",
        f"- read unseen, in training: {scores.kept_aside}; right first: {scores.accuracy:.1%};"
        f" confidence is off by {scores.calibration_error:.1%} on average",
        f"- rejected as out of scope: what is less like our examples than {REJECTED:.0%} of them are",
        "",
        "## Limits",
        "",
        "- It knows the languages, products and ways of speaking of its examples, and no others.",
        "- Texts near to our matters but not among them are often taken for ours (docs/nlu.md): ask before acting.",
        "- The figures above come from the same examples; those of texts that arrive will be lower.",
    ]
    if few:
        lines.append(f"- Fewer than {FEW_EXAMPLES} examples: {', '.join(few)}.")
    return "\n".join(lines) + "\n"
