import keras
import numpy as np
import pytest

from keras_xmodal.networks import TextEncoder
from tests.helpers import assert_close
from tests.networks.check_network import check_network, litert_if_large

TOKENS = np.array([[3, 4, 5, 0], [7, 7, 2, 9], [1, 8, 6, 0]], "int32")


def test_bag_of_tokens(tmp_path):
    encoder = check_network(
        TextEncoder,
        {
            "vocabulary_size": 10,
            "embedding_dim": 6,
            "embedding_scale": 2.0,
            "token_dropout": 0.1,
            "name": "texts",
        },
        TOKENS,
        (3, 6),
        tmp_path,
    )
    assert encoder.name == "texts"


@litert_if_large
def test_hidden_layers(litert, tmp_path):
    check_network(
        TextEncoder,
        {
            "vocabulary_size": 10,
            "embedding_dim": 6,
            "hidden_dims": (12, 5),
            "trainable_embeddings": False,
            "token_dropout": 0.1,
            "dropout": 0.2,
        },
        TOKENS,
        (3, 5),
        tmp_path,
        litert=litert,
    )


def test_it_is_the_mean_of_the_embeddings():
    encoder = TextEncoder(10, embedding_dim=6)
    table = encoder.get_layer("token_embedding").embeddings.numpy()
    expected = np.stack(
        [
            table[[3, 4, 5]].mean(axis=0),
            table[[7, 7, 2, 9]].mean(axis=0),
            table[[1, 8, 6]].mean(axis=0),
        ]
    )
    assert_close(encoder(TOKENS), expected, atol=1e-6)


def test_order_and_padding_change_nothing():
    encoder = TextEncoder(10, embedding_dim=6, hidden_dims=(5,))
    expected = encoder(TOKENS)
    assert_close(encoder(TOKENS[:, [2, 0, 3, 1]]), expected, atol=1e-6)
    for padding in ((0, 3), (2, 0)):
        padded = np.pad(TOKENS, ((0, 0), padding))
        assert_close(encoder(padded), expected, atol=1e-6)


def test_all_padding_is_finite():
    encoder = TextEncoder(10, embedding_dim=6)
    for shape in ((2, 4), (2, 0)):
        outputs = encoder(np.zeros(shape, "int32"))
        assert_close(outputs, np.zeros((2, 6), "float32"), atol=0)
    hidden = TextEncoder(10, embedding_dim=6, hidden_dims=(5,))
    assert np.isfinite(hidden(np.zeros((2, 4), "int32"))).all()


def test_token_dropout_leaves_whole_tokens_out():
    encoder = TextEncoder(10, embedding_dim=6, token_dropout=0.5)
    tokens = np.tile(np.array([[2, 3]], "int32"), (256, 1))
    table = encoder.get_layer("token_embedding").embeddings.numpy()
    outputs = encoder(tokens, training=True).numpy()
    possible = np.stack(
        [np.zeros(6), table[2], table[3], (table[2] + table[3]) / 2]
    )
    distance = np.abs(outputs[:, None] - possible).max(axis=-1)
    assert distance.min(axis=1).max() < 1e-5
    counts = np.bincount(distance.argmin(axis=1), minlength=4)
    assert counts.min() > 30
    assert_close(encoder(tokens), np.tile(possible[3:], (256, 1)), atol=1e-6)


def test_embedding_scale_is_the_length_of_the_embeddings():
    encoder = TextEncoder(500, embedding_dim=400, embedding_scale=3.0)
    lengths = np.linalg.norm(
        encoder.get_layer("token_embedding").embeddings, axis=1
    )
    assert np.mean(lengths) == pytest.approx(3.0, rel=0.02)
    assert np.std(lengths) < 0.3


def test_frozen_embeddings_stay_frozen_when_loaded(tmp_path):
    path = str(tmp_path / "encoder.keras")
    encoder = TextEncoder(
        10, embedding_dim=6, hidden_dims=(5,), trainable_embeddings=False
    )
    encoder.save(path)
    for model in (encoder, keras.saving.load_model(path)):
        paths = [weight.path for weight in model.trainable_weights]
        assert len(paths) == 4  # of the hidden layer and its normalisation
        assert not any("embedding" in path for path in paths)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_any_integers(dtype):
    encoder = TextEncoder(10, embedding_dim=6)
    assert encoder(TOKENS.astype(dtype)).shape == (3, 6)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"vocabulary_size": 1}, "`vocabulary_size` must be"),
        ({"embedding_dim": 0}, "`embedding_dim` must be"),
        ({"hidden_dims": (8, 0)}, "`hidden_dims` must be a tuple"),
        ({"embedding_scale": 0}, "`embedding_scale` must be"),
        ({"token_dropout": 1.0}, "`token_dropout` must be"),
        ({"dropout": -0.1}, "`dropout` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        TextEncoder(**{"vocabulary_size": 10, **kwargs})
