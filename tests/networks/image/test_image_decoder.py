import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import likelihoods
from keras_xmodal.networks import ImageDecoder
from tests.helpers import assert_close
from tests.networks.check_network import check_network, litert_if_large


@pytest.fixture
def latents():
    rng = np.random.default_rng(0)
    return rng.standard_normal((3, 5)).astype("float32")


@pytest.mark.parametrize(
    ("kwargs", "output_shape"),
    [
        (
            {
                "image_size": (12, 20),
                "channels": 6,
                "filters": (8, 12),
                "num_blocks": 1,
                "linear_path": True,
                "name": "pictures",
            },
            (3, 12, 20, 6),
        ),
        (
            {
                "image_size": (7, 7),
                "channels": 1,
                "filters": (6, 4),
                "linear_path": False,
            },
            (3, 7, 7, 1),
        ),
    ],
    ids=["both paths", "convolutions"],
)
@litert_if_large
def test_decoder(kwargs, output_shape, litert, latents, tmp_path):
    check_network(
        ImageDecoder, kwargs, (latents,), output_shape, tmp_path, litert=litert
    )


@pytest.mark.parametrize("size", [28, 32, 64])
def test_sizes_of_pictures(size):
    decoder = ImageDecoder((size, size), filters=(8, 8, 4))
    decoder.build((None, 5))
    assert decoder.compute_output_shape((None, 5)) == (None, size, size, 3)
    assert decoder.network.output_shape == (None, size, size, 3)
    # The grid is the smallest that stages of twice its size cover.
    grid = decoder.network.get_layer("grid")
    assert grid.units == 8 * {28: 4, 32: 4, 64: 8}[size] ** 2


def test_linear_path_alone_is_an_affine_map(latents):
    decoder = ImageDecoder((2, 3), channels=1, filters=())
    assert_close(decoder(latents), np.zeros((3, 2, 3, 1), "float32"), atol=0)
    rng = np.random.default_rng(1)
    kernel, bias = rng.standard_normal((5, 6)), rng.standard_normal(6)
    decoder.set_weights([kernel, bias])
    expected = (latents @ kernel + bias).reshape(3, 2, 3, 1)
    assert_close(decoder(latents), expected.astype("float32"), atol=1e-5)


def test_paths_are_added(latents):
    both = ImageDecoder((6, 6), filters=(4,))
    both(latents)
    alone = ImageDecoder((6, 6), filters=(4,), linear_path=False)
    alone(latents)
    linear = [w.path for w in both.weights if "linear" in w.path]
    assert len(linear) == 2
    alone.set_weights([w for w in both.weights if w.path not in linear])
    assert_close(both(latents), alone(latents), atol=1e-6)


def test_a_picture_does_not_see_the_others_of_its_batch(latents):
    decoder = ImageDecoder((8, 8), filters=(8, 8), num_blocks=1)
    whole = decoder(latents, training=True).numpy()
    for index in range(3):
        alone = decoder(latents[index : index + 1], training=True)
        assert_close(alone, whole[index : index + 1], atol=1e-5)


def test_likelihood_starts_near_its_standard_parameters(latents):
    outputs = ImageDecoder((16, 16), channels=6)(latents).numpy()
    assert 0 < np.abs(outputs).max() < 2


def test_training_draws_the_pictures():
    """Four latents, four pictures: far below the pictures' variance."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((4, 12, 12, 3)) > 0.5, "float32")
    latents = tf.constant(rng.standard_normal((4, 8)), "float32")
    decoder = ImageDecoder((12, 12), filters=(16, 8))
    decoder.compile(keras.optimizers.Adam(0.01), loss="mse")
    decoder.fit(latents, images, epochs=40, batch_size=4, verbose=0)
    error = np.mean(np.square(decoder(latents) - images))
    assert error < 0.05  # 0.25 for the mean of all


def test_parameters_fit_a_likelihood(latents):
    likelihood = likelihoods.DiscretizedLogistic()
    decoder = ImageDecoder(
        (8, 8), channels=likelihood.parameter_shape((8, 8, 3))[-1]
    )
    images = np.random.default_rng(0).random((3, 8, 8, 3))
    log_probs = likelihood.log_prob(images, decoder(latents))
    assert log_probs.shape == (3,)
    assert np.isfinite(log_probs).all()


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"image_size": (32,)}, "`image_size` must be a pair"),
        ({"image_size": (32, 0)}, "`image_size` must be a pair"),
        ({"channels": 0}, "`channels` must be"),
        ({"filters": (8, 0)}, "`filters` must be a tuple"),
        ({"filters": (), "linear_path": False}, "`filters` must not be empty"),
        ({"num_blocks": -1}, "`num_blocks` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ImageDecoder(**kwargs)


def test_wrong_rank():
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        ImageDecoder()(np.zeros((2, 3, 4), "float32"))
