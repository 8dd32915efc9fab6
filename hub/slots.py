"""Learning slots from marked examples, with CRFsuite (extra `slots`); the same examples give the same field."""

import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.errors import ConfigError
from core.nlu.entities import Tagger
from core.nlu.slots import seen, tags, unmarked

PACKAGE = "pycrfsuite"
SETTINGS = {"c1": 0.05, "c2": 0.05, "max_iterations": 80, "feature.possible_transitions": True}


def learn_slot(name: str, examples: Sequence[str]) -> Tagger:
    """Learn one slot; returns what tags the parts of a text.

    Raises:
        ConfigError: the extra is not installed, or no example marks a value.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError(f"entity {name} is learned; install the extra: pip install 'frontdesk[slots]'")
    read = [unmarked(example) for example in examples]
    if not any(spans for _, spans in read):
        raise ConfigError(f"entity {name}: no example marks a value in brackets")
    from pycrfsuite import Tagger as Field
    from pycrfsuite import Trainer

    trainer = Trainer(params=SETTINGS, verbose=False)
    for text, spans in read:
        trainer.append(seen(text), tags(text, spans))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slot"
        trainer.train(str(path))
        stored = path.read_bytes()
    field = Field()
    field.open_inmemory(stored)
    return lambda features: list(field.tag(features))
