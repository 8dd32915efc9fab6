"""The backends of understanding that need files: static vectors out of an installed package, or an operator's folder.

`lexical` needs nothing. `static` reads two files of the package `wordllama` (extra `semantic`) without importing it:
its own loader looks for them on the network (NLU.md section 9, trap 1). `encoder` reads a folder with a transformer.
"""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ConfigError
from core.nlu.vectors import Encoder, Halves, StaticVectors
from hub.settings import Understanding

PACKAGE = "wordllama"
TABLE = Path("weights/l2_supercat_256.safetensors")
TOKENS = Path("tokenizers/l2_supercat_tokenizer_config.json")
TENSOR = "embedding.weight"
WORD_BEGINS = "\u2581"
"""How a SentencePiece vocabulary marks the token that begins a word."""
NAME_CHARS = 12


def load_encoder(wanted: Understanding) -> Encoder | None:
    """Return the encoder that the settings ask for; None is the lexical backend.

    Raises:
        ConfigError: a backend is asked for by name and its files are not there, or hold something else.
    """
    match wanted.backend:
        case "lexical":
            return None
        case "encoder":
            from hub.transformer import load_transformer

            if wanted.encoder_folder is None:
                raise ConfigError("understanding.backend is encoder; set understanding.encoder_folder to its folder")
            return load_transformer(wanted.encoder_folder)
        case "static":
            folder = _package_folder()
            if folder is None:
                raise ConfigError(
                    "understanding.backend is static; install the extra: pip install 'frontdesk[semantic]'"
                )
            return static_vectors(folder)
        case _:
            folder = _package_folder()
            return static_vectors(folder) if folder is not None else None


def _package_folder() -> Path | None:
    """Find the installed package without importing it; None also where its tokenizer library is missing."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations or importlib.util.find_spec("tokenizers") is None:
        return None
    return Path(found.submodule_search_locations[0])


def static_vectors(folder: Path) -> StaticVectors:
    """Read the package's vectors and tokenizer.

    Raises:
        ConfigError: the files are not those of the version that is pinned.
    """
    try:
        stored = (folder / TABLE).read_bytes()
        table = _table(stored)
        tokenizer = tokenizer_from(folder / TOKENS)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{folder} does not hold the vectors of the pinned {PACKAGE}: {error}") from error
    words = frozenset(word[1:] for word in tokenizer.get_vocab() if word.startswith(WORD_BEGINS) and word.isprintable())
    return StaticVectors(
        table,
        tokens=lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        is_word=words.__contains__,
        name=f"static:{hashlib.sha256(stored).hexdigest()[:NAME_CHARS]}",
    )


def tokenizer_from(path: Path) -> Any:
    """Read a tokenizer.

    Raises:
        ValueError: the file holds none.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:
        raise ValueError(f"{path.name} is no tokenizer: {error}") from error


def _table(stored: bytes) -> Halves:
    """Read the one tensor of a safetensors file: eight bytes of length, a JSON header, then the numbers."""
    begin = 8 + int.from_bytes(stored[:8], "little")
    about = json.loads(stored[8:begin])[TENSOR]
    if about["dtype"] != "F16":
        raise ValueError(f"its numbers are {about['dtype']}, not F16")
    start, end = about["data_offsets"]
    return np.frombuffer(stored[begin + start : begin + end], dtype=np.float16).reshape(about["shape"])
