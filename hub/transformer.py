"""A sentence encoder out of a folder that the operator supplies: `model.onnx` and `tokenizer.json` (extra `encoder`).

The last hidden states of a text's tokens are averaged and brought to length one, which is what most published sentence
encoders expect. Nothing is downloaded: the folder is all there is.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ConfigError
from core.nlu.vectors import Floats
from hub.encoders import NAME_CHARS, tokenizer_from

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
MAX_TOKENS = 256
"""Of a longer text only the beginning is encoded; most sentence encoders were trained on no more."""


class Transformer:
    """Satisfies `core.nlu.vectors.Encoder`."""

    def __init__(self, session: Any, tokenizer: Any, name: str) -> None:
        """Take an onnxruntime session and its tokenizer; the size is that of what the session returns."""
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = frozenset(wanted.name for wanted in session.get_inputs())
        self.name = name
        self.size = self.comparable = int(self._states("a").shape[-1])

    def encode(self, text: str) -> Floats:
        """Return the mean of the tokens' last hidden states, of length one."""
        states = self._states(text)
        if not len(states):
            return np.zeros(self.size, dtype=np.float32)
        mean = states.mean(axis=0)
        return np.asarray(mean / max(float(np.sqrt((mean * mean).sum())), 1e-9), dtype=np.float32)

    def is_word(self, word: str) -> bool:
        """Tell whether the tokenizer keeps the word whole."""
        return len(self._tokenizer.encode(word, add_special_tokens=False).ids) == 1

    def _states(self, text: str) -> Floats:
        """Return the hidden states, shape (tokens, size)."""
        ids = np.array([self._tokenizer.encode(text).ids[:MAX_TOKENS]], dtype=np.int64)
        if not ids.size:
            return np.zeros((0, self.size), dtype=np.float32)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {name: value for name, value in given.items() if name in self._inputs})[0]
        return np.asarray(states[0], dtype=np.float32)


def load_transformer(folder: Path) -> Transformer:
    """Load the encoder of a folder.

    Raises:
        ConfigError: the extra is not installed, or the folder holds no such encoder.
    """
    if importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("tokenizers") is None:
        raise ConfigError("understanding.backend is encoder; install the extra: pip install 'frontdesk[encoder]'")
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = 1  # a message is short, and other work has the other cores
    try:
        stored = (folder / MODEL).read_bytes()
        session = InferenceSession(stored, options, providers=["CPUExecutionProvider"])
        name = f"encoder:{hashlib.sha256(stored).hexdigest()[:NAME_CHARS]}"
        return Transformer(session, tokenizer_from(folder / TOKENIZER), name)
    except Exception as error:
        raise ConfigError(f"{folder} holds no encoder ({MODEL} and {TOKENIZER}): {error}") from error
