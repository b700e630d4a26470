import keras
import numpy as np
import pytest

from keras_xmodal import EmbeddingModel
from keras_xmodal.layers import BigramCounts, CTCBigramCounts
from keras_xmodal.ops.bigrams import ctc_bigram_counts
from tests.helpers import assert_close, check_layer

LOGITS = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")


def test_layer(tmp_path):
    layer = check_layer(CTCBigramCounts, {}, LOGITS, (2, 9), tmp_path)
    expected = np.reshape(ctc_bigram_counts(LOGITS), (2, 9))
    assert_close(layer(LOGITS), expected, atol=0)


def test_float32_under_every_policy():
    expected = CTCBigramCounts()(LOGITS)
    half = CTCBigramCounts(dtype="mixed_float16")(LOGITS)
    assert half.dtype == "float32"
    assert_close(half, expected, atol=0)


def test_as_a_tower():
    """A network that reads well finds the texts, without any training."""
    texts = np.array([[2, 1, 1, 0], [1, 2, 0, 0], [2, 2, 1, 2]])
    paths = np.zeros((3, 9), int)
    paths[:, ::2][:, :4] = texts  # a blank behind each label
    model = EmbeddingModel(
        encoders={
            "speech": CTCBigramCounts(),
            "text": BigramCounts(3),
        },
        embedding_dim=None,
    )
    logits = 4.0 * np.eye(3, dtype="float32")[paths]
    embeddings = model({"speech": logits, "text": texts})
    similarity = embeddings["speech"] @ np.transpose(embeddings["text"])
    assert similarity.numpy().argmax(axis=1).tolist() == [0, 1, 2]
    assert np.diag(similarity).min() > 0.9


@pytest.mark.parametrize("shape", [(6, 3), (None, None, 3)])
def test_bad_shape(shape):
    with pytest.raises(ValueError, match=r"must have shape \(batch, steps"):
        CTCBigramCounts().call(keras.KerasTensor(shape))
