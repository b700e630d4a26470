import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.networks import TextPreprocessor
from tests.helpers import assert_close, check_layer

TEXTS = [
    "Red apple",
    "Красное яблоко",
    "红色的苹果",
    "लाल सेब",
    "Pomme déjà mûre",
]


def tokens_of(preprocessor, text):
    vocabulary = preprocessor.get_vocabulary()
    return [str(vocabulary[i]) for i in preprocessor(text).numpy() if i]


def adapted(texts=TEXTS, **kwargs):
    preprocessor = TextPreprocessor(**kwargs)
    preprocessor.adapt(texts)
    return preprocessor


def test_layer(tmp_path):
    check_layer(
        TextPreprocessor,
        {
            "max_tokens": 9,
            "split": "character",
            "ngrams": (1, 2),
            "sequence_length": 7,
            "vocabulary": ("a", "b", "<a", "b>"),
            "drop_unknown": False,
            "keep_symbols": True,
            "name": "texts",
        },
        tf.constant(["ab", "", "cab a"]),
        (3, 7),
        tmp_path,
    )


def test_layer_with_an_end_token(tmp_path):
    check_layer(
        TextPreprocessor,
        {
            "sequence_length": 3,
            "vocabulary": ("a", "b", ">"),
            "end_token": True,
        },
        tf.constant(["a b", "", "b a b"]),
        (3, 3),
        tmp_path,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RED, apple!", ["red", "apple"]),
        ("  apple\t\n-red- ", ["apple", "red"]),
        ("красное. «ЯБЛОКО»", ["красное", "яблоко"]),
        ("苹果，红色。", ["苹", "果", "红", "色"]),
        ("लाल, सेब।", ["लाल", "सेब"]),
        ("DÉJÀ mûre?", ["déjà", "mûre"]),
        ("ap\u00adple red\ufe0f", ["apple", "red"]),
        ("red\u200bapple", ["red", "apple"]),
        ("red\0apple", ["red", "apple"]),
        ("ＲＥＤ　ａｐｐｌｅ！", ["red", "apple"]),
        ("app'le re’d", ["apple", "red"]),
        ("", []),
        ("... 🍎", []),
    ],
)
def test_words_of_any_language(text, expected):
    assert tokens_of(adapted(), text) == expected


@pytest.mark.parametrize(
    ("learned", "text"),
    [
        ("istanbul", "İSTANBUL"),
        ("İstanbul", "istanbul"),
        ("ISTANBUL", "istanbul"),
        ("Ｗｏｒｄ１２", "word12"),
        ("カタカナ", "ｶﾀｶﾅ"),
        ("₩", "￦"),
    ],
)
def test_forms_of_the_same_letters_are_one(learned, text):
    for split in ("whitespace", "character"):
        preprocessor = adapted([learned], split=split, keep_symbols=True)
        expected = preprocessor([learned]).numpy()
        assert (expected > 1).all()
        np.testing.assert_array_equal(preprocessor([text]), expected)
        graph = tf.function(preprocessor)
        np.testing.assert_array_equal(graph(tf.constant([text])), expected)


def test_symbols_are_kept_where_they_are_asked_for():
    texts = ["🍎🍎 + 🥝", "I ❤\ufe0f 👩\u200d🚀!", "a <b> c"]
    preprocessor = adapted(texts, keep_symbols=True, split="whitespace")
    assert tokens_of(preprocessor, texts[0]) == ["🍎", "🍎", "+", "🥝"]
    assert tokens_of(preprocessor, texts[1]) == ["i", "❤", "👩", "🚀"]
    assert tokens_of(preprocessor, "❤<>") == ["❤"]
    assert preprocessor.detokenize(preprocessor(texts))[2] == "a b c"
    characters = adapted(texts, keep_symbols=True, split="character")
    assert tokens_of(characters, "🍎") == list("<🍎>")
    with pytest.raises(ValueError, match="`keep_symbols` a symbol"):
        adapted(["🍎"])
    config = preprocessor.get_config()
    assert TextPreprocessor.from_config(config).keep_symbols


@pytest.mark.parametrize("dtype", [str, object, "T"])
def test_strings_of_every_dtype_are_texts(dtype):
    if dtype == "T":
        dtype = pytest.importorskip("numpy", "2.0").dtypes.StringDType()
    texts = np.array(["red apple", "red"], dtype)
    preprocessor = adapted(texts)
    np.testing.assert_array_equal(preprocessor(texts), [[2, 3], [2, 0]])


def test_a_text_that_is_none_is_refused():
    for missing in (None, np.nan):
        with pytest.raises(TypeError, match=r"Received: (None|nan) of type"):
            adapted(["a", missing])
        with pytest.raises(TypeError, match="in example 1"):
            adapted(["a"])(["a", missing])


def test_ids_are_dense_and_padded_with_zero():
    preprocessor = adapted(["b b a", "b c a"])
    assert preprocessor.get_vocabulary() == ["", "[UNK]", "b", "a", "c"]
    assert preprocessor.vocabulary_size() == 5
    outputs = preprocessor(np.array(["a c b", "", "c"]))
    assert outputs.dtype == "int32"
    assert_close(outputs, np.int32([[3, 4, 2], [0, 0, 0], [4, 0, 0]]))


def test_sequence_length_pads_and_cuts():
    preprocessor = adapted(["a b c"], sequence_length=2)
    ids = {t: i for i, t in enumerate(preprocessor.get_vocabulary())}
    outputs = preprocessor(["c b a", "b", ""])
    expected = [[ids["c"], ids["b"]], [ids["b"], 0], [0, 0]]
    assert_close(outputs, np.int32(expected))


def test_texts_without_tokens_are_all_padding():
    preprocessor = adapted()
    assert_close(preprocessor(["", "?!"]), np.int32([[0], [0]]))
    assert_close(preprocessor(""), np.int32([0]))


def test_unknown_tokens():
    dropping, keeping = adapted(["a b"]), adapted(["a b"], drop_unknown=False)
    a = dropping.get_vocabulary().index("a")
    assert_close(dropping(["x a y"]), np.int32([[a]]))
    assert_close(keeping(["x a y"]), np.int32([[1, a, 1]]))


@pytest.mark.parametrize("split", ["whitespace", "character"])
def test_end_token(split):
    preprocessor = adapted(["a b"], split=split, end_token=True)
    vocabulary = preprocessor.get_vocabulary()
    a, b, end = (vocabulary.index(token) for token in "ab>")
    assert preprocessor.end_id == end
    assert "<" not in vocabulary
    joint = "" if split == "character" else ", "
    # Of the second text, nothing is known.
    outputs = preprocessor(["", "xy☂", f"B{joint}a", f"a{joint}z{joint}b"])
    expected = [[0, 0, 0], [0, 0, 0], [b, a, end], [a, b, end]]
    assert_close(outputs, np.int32(expected))
    assert_close(preprocessor("a"), np.int32([a, end]))
    assert_close(preprocessor(["", ""]), np.int32([[0], [0]]))


@pytest.mark.parametrize("split", ["whitespace", "character"])
def test_a_text_that_is_cut_ends_as_well(split):
    text = "a b c" if split == "whitespace" else "abc"
    preprocessor = adapted(
        [text], split=split, sequence_length=3, end_token=True
    )
    assert tokens_of(preprocessor, text) == ["a", "b", ">"]
    assert tokens_of(preprocessor, text[:-1]) == ["a", "b", ">"]
    assert tokens_of(preprocessor, "a") == ["a", ">"]


def test_no_end_token():
    assert adapted(["a b"]).end_id is None
    characters = adapted(["a b"], split="character")
    assert characters.end_id == characters.get_vocabulary().index(">")


@pytest.mark.parametrize("end_token", [False, True])
@pytest.mark.parametrize("split", ["whitespace", "character"])
def test_ids_become_texts_again(split, end_token):
    texts = [
        "red apple",
        "",
        "красное яблоко",
        "红色的苹果",
        "赤いリンゴ",
        "लाल सेब",
        "pomme déjà mûre",
        "ผลไม้",
        "빨간 사과",
        "تفاحة حمراء",
    ]
    preprocessor = adapted(
        texts, split=split, sequence_length=20, end_token=end_token
    )
    for ids in (preprocessor(texts), preprocessor(texts).numpy()):
        assert preprocessor.detokenize(ids) == texts
    messy = [f" {text.upper()}! " for text in texts]
    assert preprocessor.detokenize(preprocessor(messy)) == texts


@pytest.mark.parametrize("split", ["whitespace", "character"])
def test_what_a_decoder_may_write(split):
    """Whatever the ids, padding, marks and all after the end are no text."""
    preprocessor = TextPreprocessor(
        vocabulary=["a", "b", "<", ">"], split=split, end_token=True
    )
    ids = [[2, 0, 3, 5, 2, 5], [4, 2, 4, 3, 0, 0], [1, 2, 0, 0, 0, 0], [5] * 6]
    separator = " " if split == "whitespace" else ""
    joined = [["a", "b"], ["a", "b"], ["[UNK]", "a"], []]
    texts = preprocessor.detokenize(np.array(ids))
    assert texts == [separator.join(tokens) for tokens in joined]
    assert preprocessor.detokenize(np.zeros((0, 4), int)) == []


def test_wrong_end_token():
    with pytest.raises(ValueError, match="`ngrams` must be None"):
        TextPreprocessor(ngrams=2, end_token=True)
    with pytest.raises(ValueError, match="`sequence_length` must be above 1"):
        TextPreprocessor(sequence_length=1, end_token=True)
    with pytest.raises(ValueError, match="`vocabulary` must hold the token"):
        TextPreprocessor(vocabulary=["a"], end_token=True)
    with pytest.raises(ValueError, match="`max_tokens` must leave a place"):
        adapted(["a a a"], max_tokens=3, end_token=True)


def test_wrong_ids():
    preprocessor = adapted(["a b"])
    with pytest.raises(ValueError, match="`ids` must have shape"):
        preprocessor.detokenize([2, 3])
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match="`ids` must be ids"):
            preprocessor.detokenize([[2, wrong]])
    with pytest.raises(ValueError, match="`ngrams` must be None"):
        adapted(["a b"], ngrams=2).detokenize([[2]])


def test_ids_are_integers():
    preprocessor = TextPreprocessor(vocabulary=["a"])
    with pytest.raises(TypeError, match=r"`ids` must be integers.*float64"):
        preprocessor.detokenize([[2.0]])


def test_max_tokens_keeps_the_most_frequent():
    preprocessor = adapted(["a a a b b c"], max_tokens=4)
    assert preprocessor.get_vocabulary() == ["", "[UNK]", "a", "b"]


def test_word_ngrams():
    texts = ["red apple pie"]
    both = ["apple", "apple pie", "pie", "red", "red apple"]
    assert sorted(adapted(texts, ngrams=2).get_vocabulary()[2:]) == both
    pairs = adapted(texts, ngrams=(2,))
    assert sorted(pairs.get_vocabulary()[2:]) == ["apple pie", "red apple"]


def test_each_width_of_ngrams_counts_once():
    preprocessor = TextPreprocessor(ngrams=(2, 1, 2))
    preprocessor.adapt(["a b"])
    assert preprocessor(["a b"]).shape == (1, 3)
    assert preprocessor.get_config()["ngrams"] == (2, 1, 2)


def test_characters_know_the_edges_of_words():
    preprocessor = adapted(["Ab b"], split="character")
    assert tokens_of(preprocessor, "AB, b") == list("<ab b>")
    ngrams = adapted(["Ab b"], split="character", ngrams=(2, 3))
    assert sorted(ngrams.get_vocabulary()[2:]) == sorted(
        ["<a", "ab", "b ", " b", "b>", "<ab", "ab ", "b b", " b>"]
    )


def test_character_ngrams_in_other_scripts():
    preprocessor = adapted(["яб", "红色", "हि"], split="character", ngrams=(3,))
    assert sorted(preprocessor.get_vocabulary()[2:]) == sorted(
        ["<яб", "яб>", "<红色", "红色>", "<हि", "हि>"]
    )


def test_a_short_word_is_kept_whole():
    preprocessor = adapted(["a"], split="character", ngrams=(4,))
    assert tokens_of(preprocessor, "a") == ["<a>"]


@pytest.mark.parametrize(
    "data",
    [
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object)[:, None],
        tf.constant(TEXTS),
        [[text, ""] for text in TEXTS],
        tf.data.Dataset.from_tensor_slices(TEXTS),
        tf.data.Dataset.from_tensor_slices(TEXTS).batch(2),
        tf.data.Dataset.from_tensor_slices([[t, ""] for t in TEXTS]).batch(2),
    ],
    ids=str,
)
def test_adapt_takes_what_holds_texts(data):
    assert adapted(data).get_vocabulary() == adapted().get_vocabulary()


def test_adapt_again_forgets():
    preprocessor = adapted()
    preprocessor.adapt(["new words"])
    assert sorted(preprocessor.get_vocabulary()[2:]) == ["new", "words"]


def test_adapt_takes_steps_of_a_data_set():
    dataset = tf.data.Dataset.from_tensor_slices(["a", "b"]).repeat()
    preprocessor = TextPreprocessor()
    preprocessor.adapt(dataset.batch(1), steps=1)
    assert preprocessor.get_vocabulary()[2:] == ["a"]


def test_tf_data_and_graph_equal_eager():
    preprocessor = adapted(split="character", ngrams=2)
    expected = preprocessor(TEXTS)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    batches = dataset.batch(5).map(preprocessor, num_parallel_calls=2)
    assert_close(next(iter(batches)), expected)
    graph = tf.function(preprocessor)
    assert_close(graph(tf.constant(TEXTS)), expected)
    one = next(iter(dataset.map(preprocessor)))
    assert_close(one, preprocessor(TEXTS[0]))
    fixed = adapted(sequence_length=4)
    spec = dataset.batch(5).map(fixed).element_spec
    assert spec.shape.as_list() == [None, 4]
    assert spec.dtype == "int32"


def test_vocabulary_is_saved_in_every_model(tmp_path):
    path = str(tmp_path / "model.keras")
    preprocessor = adapted(sequence_length=4)
    texts = tf.constant(TEXTS)

    # On its own, in a functional model, and as the part of a subclass.
    sequential = keras.Sequential(
        [keras.Input((), dtype="string"), preprocessor]
    )
    sequential.save(path)
    loaded = keras.saving.load_model(path)
    assert_close(loaded(texts), preprocessor(texts))

    inputs = keras.Input((1,), dtype="string")
    size = preprocessor.vocabulary_size()
    outputs = keras.layers.Embedding(size, 3)(preprocessor(inputs))
    functional = keras.Model(inputs, outputs)
    functional.save(path)
    loaded = keras.saving.load_model(path)
    assert_close(loaded(texts[:, None]), functional(texts[:, None]))

    # Adapting after loading still works.
    loaded.layers[1].adapt(["new words"])
    assert len(loaded.layers[1].get_vocabulary()) == 4


def test_config_survives_json():
    layer = TextPreprocessor(vocabulary=["a", "b"], ngrams=[1, 2])
    config = json.loads(json.dumps(layer.get_config()))
    revived = TextPreprocessor.from_config(config)
    assert revived.ngrams == (1, 2)
    assert revived.get_vocabulary() == ["", "[UNK]", "a", "b"]
    assert_close(revived(["b a"]), layer(["b a"]))


def test_saved_model_takes_strings(tmp_path):
    path = str(tmp_path / "served")
    preprocessor = adapted(split="character", ngrams=(2, 3))
    archive = keras.export.ExportArchive()
    archive.track(preprocessor)
    spec = tf.TensorSpec((None,), tf.string, name="text")
    archive.add_endpoint(
        "tokens", lambda text: {"tokens": preprocessor(text)}, [spec]
    )
    archive.write_out(path, verbose=False)
    served = tf.saved_model.load(path).signatures["tokens"]
    assert_close(served(text=tf.constant(TEXTS))["tokens"], preprocessor(TEXTS))


def test_without_a_vocabulary():
    with pytest.raises(ValueError, match="call `adapt\\(texts\\)` first"):
        TextPreprocessor()(["red"])
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    with pytest.raises(ValueError, match="call `adapt\\(texts\\)` first"):
        dataset.map(TextPreprocessor())


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"max_tokens": 1}, "`max_tokens` must be"),
        ({"split": "words"}, "`split` must be"),
        ({"ngrams": 0}, "`ngrams` must be"),
        ({"ngrams": (1, -2)}, "`ngrams` must be"),
        ({"ngrams": ()}, "`ngrams` must be"),
        ({"sequence_length": 0}, "`sequence_length` must be"),
        ({"output_sequence_length": 4}, "'sequence_length'.*: output_seq"),
        ({"encoding": "latin-1"}, "Received: encoding"),
        ({"ragged": True, "standardize": None}, "ragged, standardize"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises((TypeError, ValueError), match=match):
        TextPreprocessor(**kwargs)


def test_vocabulary_is_no_path():
    with pytest.raises(TypeError, match="`vocabulary` must be a sequence"):
        TextPreprocessor(vocabulary="vocabulary.txt")


@pytest.mark.parametrize(
    "data",
    ["red apple", [1, 2], [None], np.zeros(3), tf.data.Dataset.range(3)],
    ids=str,
)
def test_adapt_takes_nothing_but_texts(data):
    with pytest.raises(TypeError, match="`data` must"):
        TextPreprocessor().adapt(data)


@pytest.mark.parametrize("data", [[], ["", " ?"]])
def test_adapt_needs_a_token(data):
    with pytest.raises(ValueError, match="at least one text"):
        TextPreprocessor().adapt(data)


@pytest.mark.parametrize("inputs", [[1, 2], np.zeros((2, 3), "float32")])
def test_call_takes_nothing_but_texts(inputs):
    with pytest.raises(TypeError, match="`inputs` must hold strings"):
        adapted()(inputs)


def test_wrong_rank():
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        adapted()(np.array([["a", "b"]]))
