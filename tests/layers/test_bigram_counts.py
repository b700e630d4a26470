import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.layers import BigramCounts
from keras_xmodal.ops.bigrams import bigram_counts
from tests.helpers import assert_close, check_layer

TOKENS = np.array([[2, 1, 1, 0], [1, 0, 0, 0]], "int32")


def test_layer(tmp_path):
    layer = check_layer(
        BigramCounts, {"vocabulary_size": 3}, TOKENS, (2, 9), tmp_path
    )
    expected = np.reshape(bigram_counts(TOKENS, 3), (2, 9))
    assert_close(layer(TOKENS), expected, atol=0)


def test_bad_size():
    with pytest.raises(ValueError, match=r"of at least 2\. Received: .*=1"):
        BigramCounts(1)


def test_bad_rank():
    with pytest.raises(ValueError, match=r"\(batch, length\)\. Received: .*4"):
        BigramCounts(3)(TOKENS[0])


@pytest.mark.parametrize("tokens", [[[1, 3]], [[-1, 2]]])
def test_tokens_are_those_of_the_vocabulary(tokens):
    layer = BigramCounts(3)
    with pytest.raises(ValueError, match="`tokens` must be from 0 to 2"):
        layer(np.array(tokens))
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(9)])
    model = kx.EmbeddingModel(
        encoders={"text": layer, "image": dense}, embedding_dim=None
    )
    model({"text": np.array([[1, 2]]), "image": np.zeros((1, 3))})
    with pytest.raises(ValueError, match="from 0 to 2 for BigramCounts"):
        model.encode(np.array(tokens), modality="text")
