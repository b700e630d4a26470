import keras
import numpy as np
import pytest

from keras_xmodal.networks import TransformerTextEncoder
from tests.helpers import assert_close
from tests.networks.check_network import check_network

TOKENS = np.array([[3, 4, 5, 0], [7, 7, 2, 9], [1, 8, 6, 0]], "int32")


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return TransformerTextEncoder(10, 6, hidden_dim=8, num_heads=2)


def test_encoder(tmp_path):
    encoder = check_network(
        TransformerTextEncoder,
        {
            "vocabulary_size": 10,
            "sequence_length": 6,
            "hidden_dim": 8,
            "num_layers": 1,
            "num_heads": 2,
            "intermediate_dim": 12,
            "dropout": 0.2,
            "name": "texts",
        },
        TOKENS,
        (3, 8),
        tmp_path,
    )
    assert encoder.name == "texts"


def test_padding_changes_nothing_and_order_does(encoder):
    expected = encoder(TOKENS)
    # Beyond the longest text that it reads, too.
    for extra in (1, 5):
        padded = np.pad(TOKENS, ((0, 0), (0, extra)))
        assert_close(encoder(padded), expected, atol=2e-6)
    turned = encoder(TOKENS[1:2, ::-1])
    assert np.abs(turned - expected[1:2]).max() > 1e-3


def test_what_is_too_long_is_cut(encoder):
    tokens = np.arange(1, 10, dtype="int32")[None]
    assert_close(encoder(tokens), encoder(tokens[:, :6]), atol=2e-6)


def test_a_text_does_not_see_the_others_of_its_batch(encoder):
    whole = encoder(TOKENS).numpy()
    for index in range(3):
        alone = encoder(TOKENS[index : index + 1])
        assert_close(alone, whole[index : index + 1], atol=2e-6)


def test_all_padding_is_zero(encoder):
    outputs = encoder(np.zeros((2, 4), "int32"), training=True)
    assert_close(outputs, np.zeros((2, 8), "float32"), atol=0)
    half = TransformerTextEncoder(
        10, 6, hidden_dim=8, num_heads=2, dtype="mixed_float16"
    )
    outputs = half(np.zeros((2, 4), "int32"))
    assert_close(outputs, np.zeros((2, 8), "float32"), atol=0)


def test_dropout_in_training_only(encoder):
    assert_close(encoder(TOKENS), encoder(TOKENS, training=False), atol=0)
    outputs = encoder(TOKENS, training=True)
    assert np.abs(outputs - encoder(TOKENS)).max() > 1e-3


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"vocabulary_size": 1}, "`vocabulary_size` must be"),
        ({"sequence_length": 0}, "`sequence_length` must be"),
        ({"hidden_dim": 0}, "`hidden_dim` must be"),
        ({"num_layers": 0}, "`num_layers` must be"),
        ({"num_heads": 3}, "must be a multiple of `num_heads`"),
        ({"intermediate_dim": 0}, "`intermediate_dim` must be"),
        ({"dropout": 1.0}, "`dropout` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        TransformerTextEncoder(**{"vocabulary_size": 10, **kwargs})
