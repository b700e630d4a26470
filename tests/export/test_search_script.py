"""What `search.py` computes without TensorFlow, beside what it stands for."""

import io
import json
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.export import search_script
from keras_xmodal.networks.text.text_preprocessor import _standardize

TEXTS = [
    "",
    "a",
    "Red  apple, red_apple!",
    "don’t wait\0STOP i\u0307 İstanbul",
    "红苹果 is 苹果\u0301 x",
    "ΑΣ ΣΑΣ. Σ",
    "ＦＵＬＬ ｶﾅ width",
    "☺\ufe0f 😀👍🏽 $5 + <tag> a⃣",
    "e\u0301clair éclair",
    "ไทย ภาษา",
    "nobody knows this",
]
TOKENIZERS = [
    {},
    {"sequence_length": 3, "drop_unknown": False},
    {"ngrams": 2, "max_tokens": 20},
    {"ngrams": (3,), "sequence_length": 4},
    {"ngrams": (2, 3, 2)},
    {"split": "character", "ngrams": (2, 4), "sequence_length": 9},
    {"split": "character", "end_token": True},
    {"end_token": True, "sequence_length": 3, "max_tokens": 12},
    {"keep_symbols": True},
    {"keep_symbols": True, "split": "character", "drop_unknown": False},
]


@pytest.mark.parametrize("keep_symbols", [False, True])
def test_every_character_is_standardized_as_in_tensorflow(keep_symbols):
    texts = [
        f"a{chr(code)}b"
        for code in range(0x110000)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs")
    ]
    tensor = tf.constant([text.encode() for text in texts])
    expected = _standardize(tensor, keep_symbols).numpy()
    # Characters that only one of the two Unicode versions knows.
    known = tf.strings.regex_full_match(
        tensor, r"a[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}\p{Co}]b"
    ).numpy()
    assert known.mean() > 0.95
    wrong = [
        (text, found, value.decode())
        for text, value, is_known in zip(texts, expected, known, strict=True)
        if is_known
        and (found := search_script.standardize(text, keep_symbols))
        != value.decode()
    ]
    assert not wrong


@pytest.mark.parametrize("arguments", TOKENIZERS)
def test_tokens_are_those_of_the_preprocessor(arguments):
    preprocessor = kx.networks.TextPreprocessor(**arguments)
    preprocessor.adapt(TEXTS[:-1])
    vocabulary = {t: i for i, t in enumerate(preprocessor.get_vocabulary())}
    tokenizer = {
        key: getattr(preprocessor, key)
        for key in (
            "split",
            "ngrams",
            "sequence_length",
            "drop_unknown",
            "end_token",
            "keep_symbols",
        )
    }
    rows = [search_script.token_ids(t, vocabulary, tokenizer) for t in TEXTS]
    actual = search_script.pad(rows, tokenizer["sequence_length"])
    expected = preprocessor(np.array(TEXTS)).numpy()
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("size", [(8, 8), (30, 17), (5, 6)])
def test_pictures_are_those_of_the_preprocessor(mode, size, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 4))
    picture = Image.fromarray(pixels.astype("uint8"), "RGBA").convert(mode)
    picture.save(tmp_path / "picture.png")
    actual = search_script.read_picture(tmp_path / "picture.png", (8, 8))
    preprocessor = kx.networks.ImagePreprocessor((8, 8))
    expected = preprocessor.decode((tmp_path / "picture.png").read_bytes())
    assert actual.dtype == "float32"
    np.testing.assert_allclose(actual, expected, atol=2e-6)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_of_16_bits_the_high_ones_count(mode):
    """As TensorFlow decodes them; Pillow alone makes them white."""
    values = np.random.default_rng(0).integers(0, 2**16, (5, 7))
    dtype = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    picture = Image.frombytes(mode, (7, 5), values.astype(dtype).tobytes())
    expected = np.repeat(values[..., None] >> 8, 3, axis=-1)
    pixels = np.asarray(search_script.to_rgba(picture))
    np.testing.assert_array_equal(pixels[..., :3], expected)
    assert (pixels[..., 3] == 255).all()
    clear = int(values[2, 3])
    picture.info["transparency"] = clear  # as of a PNG file
    pixels = np.asarray(search_script.to_rgba(picture))
    np.testing.assert_array_equal(pixels[..., 3] == 0, values == clear)


def test_grey_files_of_16_bits_are_those_of_the_preprocessor(tmp_path):
    values = np.random.default_rng(0).integers(0, 2**16, (30, 17))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(values.astype("uint16")).save(
        tmp_path / "picture.png", exif=exif
    )
    actual = search_script.read_picture(tmp_path / "picture.png", (8, 8))
    preprocessor = kx.networks.ImagePreprocessor((8, 8))
    expected = preprocessor.decode((tmp_path / "picture.png").read_bytes())
    np.testing.assert_allclose(actual, expected, atol=2e-6)
    assert 0.3 < actual.mean() < 0.7


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose ids are not ASCII; what is asked is embedded as 1, 0."""
    index = kx.retrieval.ExactIndex()
    index.add(np.eye(2), ids=["苹果🍎", "maçã"], modality="image")
    index.save(tmp_path / "index")
    texts = {"input": {"name": "text"}, "tokenizers": []}
    report = {"endpoints": {"embed_text": texts}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    monkeypatch.setattr(search_script, "__file__", tmp_path / "search.py")
    monkeypatch.setattr(
        search_script.Search, "tokenize", lambda self, texts, modality: texts
    )
    monkeypatch.setattr(
        search_script.Search,
        "embed",
        lambda self, x, modality: np.eye(2, dtype="float32")[:1],
    )
    return tmp_path


def printed(monkeypatch, arguments, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert search_script.main(arguments) == 0
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


def test_what_cannot_be_printed_is_escaped(folder, monkeypatch):
    lines = printed(monkeypatch, ["pêche"], "ascii").splitlines()
    assert lines[0] == r"p\xeache"
    assert lines[1] == r"  1.000  \u82f9\u679c\U0001f34e"
    lines = printed(monkeypatch, ["pêche"], "utf-8").splitlines()
    assert lines[:2] == ["pêche", "  1.000  苹果🍎"]
    # What a shell gives for bytes that are no text.
    assert printed(monkeypatch, ["p\udcff"], "utf-8").startswith("p\\udcff\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_valid_in_every_encoding(folder, monkeypatch, encoding):
    text = printed(monkeypatch, ["pêche", "x\udcff", "--json"], encoding)
    results = json.loads(text)
    assert [result["query"] for result in results] == ["pêche", "x\udcff"]
    ids = [hit["id"] for hit in results[0]["hits"]]
    assert ids == ["苹果🍎", "maçã"]
    text = printed(monkeypatch, ["pêche", "--json"], encoding)
    assert ("苹果🍎" in text) == (encoding == "utf-8")


def test_queries_that_begin_with_a_dash(folder, monkeypatch, capsys):
    for arguments, expected in {
        ("--json", "--", "-k", "--"): ["-k", "--"],
        ("red", "-k", "1", "pear", "--json", "--", "-5"): ["red", "pear", "-5"],
    }.items():
        results = json.loads(printed(monkeypatch, arguments, "utf-8"))
        assert [result["query"] for result in results] == expected
    for arguments in ([], ["--"], ["-k", "3"]):
        with pytest.raises(SystemExit):
            search_script.main(arguments)
        assert "required: QUERY" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 1, 60, 0.5, -1])
def test_a_damaged_index_is_said(folder, capsys, size):
    file = folder / "index" / "index.npz"
    content = file.read_bytes()
    size = int(len(content) * size) if size == 0.5 else size
    file.write_bytes(content[:size])
    assert search_script.main(["red"]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"search.py: error: {file} must be as it was exp")


def test_a_damaged_picture_is_said(folder, capsys):
    report = {
        "input": {"name": "image"},
        "preprocessor": {
            "class_name": "ImagePreprocessor",
            "config": {"image_size": [8, 8]},
        },
    }
    report = {"endpoints": {"embed_image": report}}
    (folder / "report.json").write_text(json.dumps(report))
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3))
    stream = io.BytesIO()
    Image.fromarray(pixels.astype("uint8")).save(stream, "png")
    content = stream.getvalue()
    file = folder / "picture.png"
    for damaged in (
        content[:1000],
        b"\0\0\0\0".join(content.rsplit(b"IDAT", 1)),
    ):
        file.write_bytes(damaged)
        assert search_script.main([str(file)]) == 1
        assert capsys.readouterr().err.startswith("search.py: error: ")


def test_bytes_that_changed_in_the_index_are_said(folder, capsys):
    file = folder / "index" / "index.npz"
    content = bytearray(file.read_bytes())
    place = content.index(np.eye(2, dtype="float32").tobytes())
    content[place] ^= 255
    file.write_bytes(content)
    assert search_script.main(["red"]) == 1
    assert "index.npz must be as it was exported" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"endpoints": [1]}', "{", "\xff"]
)
def test_a_damaged_report_is_said(folder, capsys, text):
    (folder / "report.json").write_bytes(text.encode("latin-1"))
    assert search_script.main(["red"]) == 1
    message = capsys.readouterr().err
    file = folder / "report.json"
    assert message.startswith(f"search.py: error: {file} must be as it was exp")


def test_neighbours_are_those_of_the_index(tmp_path):
    """Ids of several rows, and equal scores."""
    generator = np.random.default_rng(0)
    rows = generator.integers(-2, 3, (500, 3)).astype("float32")
    ids = generator.integers(0, 60, 500)
    index = kx.retrieval.ExactIndex()
    index.add(rows, ids=ids, modality="a")
    index.save(tmp_path / "index")
    (tmp_path / "report.json").write_text('{"endpoints": {}}')
    search = search_script.Search(tmp_path)
    queries = generator.normal(size=(20, 3)).astype("float32")
    queries[0] = [1, 0, 0]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    expected_ids, expected_scores = index.search(queries, k=70)
    for query, wanted, scores in zip(
        queries, expected_ids, expected_scores, strict=True
    ):
        found, actual = search.find(query, 70, "a")
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_allclose(actual, scores, atol=1e-6)
    assert search_script.id_text(np.bytes_(b"caf\xc3\xa9")) == "café"
    assert search_script.id_text(np.datetime64("2024-05-01")) == "2024-05-01"
    with pytest.raises(ValueError, match="rows of dim 3"):
        search.find(np.ones(4, "float32"), 1, "a")
