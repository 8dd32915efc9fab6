"""The backends of understanding: which one is taken, what is read from disk, and what is refused."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hub.encoders
from core.errors import ConfigError
from core.nlu.model_file import from_bytes, to_bytes
from core.nlu.training import train
from hub.encoders import TABLE, TENSOR, TOKENS, load_encoder, static_vectors
from hub.settings import Understanding
from tests.shared_files import PROJECT
from tests.unit.core.test_nlu_model import EXAMPLES

WORDS = ["[UNK]", "the", "parcel", "order", "late", "\u2581late"]


def write_tokenizer(path: Path) -> None:
    """Write a tokenizer of whole words."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra `semantic` or `encoder`")
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = tokenizers.Tokenizer(WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def write_table(path: Path, kind: str = "F16") -> np.ndarray:
    """Write a safetensors file with one row for each word."""
    table = np.arange(len(WORDS) * 4, dtype=np.float16).reshape(len(WORDS), 4)
    header = json.dumps({TENSOR: {"dtype": kind, "shape": table.shape, "data_offsets": [0, table.nbytes]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header + table.tobytes())
    return table


def write_encoder(folder: Path) -> None:
    """Write a transformer that is none: it looks up a vector for each token, as ONNX."""
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    from onnx import TensorProto, helper, numpy_helper

    table = np.eye(len(WORDS), 6, dtype=np.float32) + 0.1
    node = helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    states = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", 6])
    graph = helper.make_graph([node], "tiny", [ids], [states], [numpy_helper.from_array(table, "table")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "model.onnx"))
    write_tokenizer(folder / "tokenizer.json")


def test_static_vectors_are_the_mean_the_greatest_and_the_smallest(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / TOKENS)
    table = write_table(tmp_path / TABLE).astype(np.float32)
    encoder = static_vectors(tmp_path)
    two = table[[1, 3]]
    for view, expected in zip(
        np.split(encoder.encode("the order"), 3), (two.mean(0), two.max(0), two.min(0)), strict=True
    ):
        np.testing.assert_allclose(view, expected / np.linalg.norm(expected), rtol=1e-3)
    assert (encoder.size, encoder.comparable) == (12, 4)
    assert not encoder.encode("").any()
    assert encoder.is_word("late")
    assert not encoder.is_word("parcel")


def test_the_name_of_static_vectors_changes_with_their_bytes(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / TOKENS)
    write_table(tmp_path / TABLE)
    name = static_vectors(tmp_path).name
    with (tmp_path / TABLE).open("ab") as table:
        table.write(b"\0")
    assert static_vectors(tmp_path).name != name


def test_files_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pinned wordllama"):
        static_vectors(tmp_path)
    write_tokenizer(tmp_path / TOKENS)
    write_table(tmp_path / TABLE, kind="F32")
    with pytest.raises(ConfigError, match="not F16"):
        static_vectors(tmp_path)
    write_table(tmp_path / TABLE)
    (tmp_path / TOKENS).write_text("{}")
    with pytest.raises(ConfigError, match="no tokenizer"):
        static_vectors(tmp_path)


def test_where_the_extra_is_not_installed_the_lexical_backend_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.encoders, "PACKAGE", "no_such_package")
    assert load_encoder(Understanding()) is None
    assert load_encoder(Understanding(backend="lexical")) is None
    with pytest.raises(ConfigError, match="semantic"):
        load_encoder(Understanding(backend="static"))


@pytest.mark.skipif(importlib.util.find_spec("wordllama") is None, reason="needs the extra `semantic`")
def test_where_the_extra_is_installed_its_vectors_are_taken_without_its_code() -> None:
    program = (
        "import sys; from hub.encoders import load_encoder; from hub.settings import Understanding;"
        "e = load_encoder(Understanding());"
        "assert e.name.startswith('static:'), e.name; assert 'wordllama' not in sys.modules;"
        "near = lambda a, b: float(e.encode(a)[:256] @ e.encode(b)[:256]);"
        "assert near('where is my parcel', 'my package has not come') > near('where is my parcel', 'write a poem')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=True)


def test_an_operators_encoder_is_loaded_learned_with_and_found_again(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `encoder`")
    write_encoder(tmp_path)
    encoder = load_encoder(Understanding(backend="encoder", encoder_folder=tmp_path))
    assert encoder is not None
    assert encoder.name.startswith("encoder:")
    assert encoder.size == encoder.comparable == 6
    vector = encoder.encode("the order")
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    assert vector.argsort()[-2:].tolist() in ([1, 3], [3, 1])
    assert not encoder.encode("").any()
    model = train(EXAMPLES, encoder)
    again = from_bytes(to_bytes(model), encoder)
    assert again.read("no parcel") == model.read("no parcel")
    assert model.read("no parcel").intents[0].name == "missing"


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `encoder`")
    with pytest.raises(ConfigError, match="encoder_folder"):
        load_encoder(Understanding(backend="encoder"))
    with pytest.raises(ConfigError, match="holds no encoder"):
        load_encoder(Understanding(backend="encoder", encoder_folder=tmp_path))
    (tmp_path / "model.onnx").write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match="holds no encoder"):
        load_encoder(Understanding(backend="encoder", encoder_folder=tmp_path))
