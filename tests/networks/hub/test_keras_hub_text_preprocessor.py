import sys

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.networks import KerasHubTextPreprocessor
from tests.helpers import assert_close

pytestmark = pytest.mark.large

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "apple"]
# The last is longer than the model: it is cut, and still has its end.
TEXTS = ["Red apple", "pear", "", "red red red red apple"]
IDS = [[2, 5, 6, 3, 0], [2, 1, 3, 0, 0], [2, 3, 0, 0, 0], [2, 5, 5, 5, 3]]


def make():
    return KerasHubTextPreprocessor(
        keras_hub.models.BertTextClassifierPreprocessor(
            keras_hub.models.BertTokenizer(WORDS, lowercase=True),
            sequence_length=5,
        ),
        name="ids",
    )


def test_ids_of_texts():
    preprocessor = make()
    ids = preprocessor(TEXTS)
    assert ids.dtype == tf.int32
    assert ids.numpy().tolist() == IDS
    assert preprocessor.padding_id == 0
    assert preprocessor.sequence_length == 5


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (np.array(TEXTS), IDS),
        (np.array(TEXTS)[:, None], IDS),
        (tf.constant("Red apple"), IDS[0]),
    ],
)
def test_shapes(texts, expected):
    assert make()(texts).numpy().tolist() == expected


def test_in_a_data_set_and_in_a_graph():
    preprocessor = make()
    data = tf.data.Dataset.from_tensor_slices(TEXTS).batch(3).map(preprocessor)
    assert data.element_spec.shape == (None, 5)
    rows = [row for batch in data for row in batch.numpy().tolist()]
    assert rows == IDS
    graph = tf.function(preprocessor)
    assert graph(tf.constant(TEXTS)).numpy().tolist() == IDS


def test_saved_and_loaded(tmp_path):
    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, make()(inputs))
    model.save(tmp_path / "ids.keras")
    loaded = keras.saving.load_model(tmp_path / "ids.keras")
    assert_close(loaded(tf.constant(TEXTS)), np.array(IDS), atol=0)
    assert loaded.get_layer("ids").sequence_length == 5


def test_no_preprocessor():
    tokenizer = keras_hub.models.BertTokenizer(WORDS)
    with pytest.raises(TypeError, match=r"with a tokenizer\. Received: .*Bert"):
        KerasHubTextPreprocessor(tokenizer)


def test_a_prefix_comes_before_each_text():
    prefixed = KerasHubTextPreprocessor(make().preprocessor, prefix="red: ")
    assert prefixed(["apple", ""]).numpy().tolist() == [
        [2, 5, 1, 6, 3],
        [2, 5, 1, 3, 0],
    ]
    loaded = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(prefixed)
    )
    assert loaded.prefix == "red: "
    with pytest.raises(TypeError, match="`prefix` must be a string"):
        KerasHubTextPreprocessor(make().preprocessor, prefix=3)


@pytest.mark.parametrize("texts", [np.array([1, 2]), [None]])
def test_no_strings(texts):
    with pytest.raises(TypeError, match=r"strings\. .*Received: "):
        make()(texts)


def test_wrong_shape():
    with pytest.raises(ValueError, match=r"must have shape .*\(1, 2\)"):
        make()(np.array([["red", "apple"]]))


def test_without_keras_hub(monkeypatch):
    preprocessor = make().preprocessor
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"needs KerasHub: pip install"):
        KerasHubTextPreprocessor(preprocessor)


def test_the_half_of_clip_for_texts():
    words = ["!</w>", "<|startoftext|>", "<|endoftext|>", "r", "e", "d</w>"]
    words += ["re", "red</w>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = keras_hub.models.CLIPTokenizer(vocabulary, ["r e", "re d</w>"])
    preprocessor = KerasHubTextPreprocessor(
        keras_hub.models.CLIPPreprocessor(tokenizer, sequence_length=5)
    )
    expected = [[1, 7, 2, 0, 0], [1, 7, 7, 2, 0]]
    texts = ["RED", "red red"]
    assert preprocessor(texts).numpy().tolist() == expected
    graph = tf.function(preprocessor)
    assert graph(tf.constant(texts)).numpy().tolist() == expected


def test_a_preprocessor_that_makes_targets_is_refused():
    preprocessor = KerasHubTextPreprocessor(
        keras_hub.models.BertMaskedLMPreprocessor(
            keras_hub.models.BertTokenizer(WORDS), sequence_length=5
        )
    )
    with pytest.raises(TypeError, match="a dict with `token_ids`"):
        preprocessor(TEXTS)
