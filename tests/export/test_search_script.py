"""What `search.py` computes without TensorFlow, beside what it stands for."""

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
