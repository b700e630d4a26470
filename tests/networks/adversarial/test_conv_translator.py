import keras
import numpy as np
import pytest

from keras_xmodal.networks import ConvTranslator
from tests.helpers import assert_close
from tests.layers.check_r1 import randomize_weights
from tests.networks.check_network import check_litert, check_network

RNG = np.random.default_rng(0)


def examples(*shape):
    return RNG.standard_normal((3, *shape)).astype("float32")


@pytest.mark.parametrize(
    ("shape", "kwargs"),
    [
        (
            (9, 14, 2),
            {
                "filters": (4, 6, 5),
                "num_blocks": 2,
                "output_channels": 1,
                "activation": "sigmoid",
                "name": "pictures",
            },
        ),
        ((3, 4, 5, 2), {"filters": (4, 3), "num_blocks": 1}),
        ((13, 2), {"filters": (6,), "num_blocks": 1, "output_channels": 4}),
    ],
    ids=["picture", "clip", "sequence"],
)
def test_network(shape, kwargs, tmp_path):
    channels = kwargs.get("output_channels", 3)
    expected = (3, *shape[:-1], channels)
    network = check_network(
        ConvTranslator,
        kwargs,
        examples(*shape),
        expected,
        tmp_path,
        randomize=True,
        litert=False,
    )
    computed = network.compute_output_shape((None, *shape))
    assert computed == (None, *expected[1:])


def test_litert(tmp_path):
    network = ConvTranslator((4, 4), num_blocks=1, output_channels=1)
    x = examples(7, 10, 1)
    network(x)
    randomize_weights(network)
    check_litert(network, network, (x,), tmp_path)


@pytest.mark.parametrize("size", [1, 2, 5, 28])
def test_sizes(size):
    network = ConvTranslator((2, 3, 2), num_blocks=1)
    assert network(examples(size, 2 * size, 1)).shape == (3, size, 2 * size, 3)
    # Twice halved, rounded up, is the grid of the blocks.
    grid = network.network.get_layer("block_0_add").output.shape
    assert grid == (None, -(-size // 4), -(-2 * size // 4), 2)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", None])
def test_range_of_the_output(activation):
    network = ConvTranslator((4,), 1, activation=activation)
    # What a model finds out about the range, before and after it is built.
    assert network.layers == []
    x = examples(8, 8, 3)
    network(x)
    expected = keras.activations.get(activation)
    assert network.layers[-1].layers[-1].activation is expected
    assert network.activation is expected
    randomize_weights(network)
    outputs = network(100 * x)
    low, high = {"tanh": (-1, 1), "sigmoid": (0, 1)}.get(activation, (-9, 9))
    if activation:
        assert np.min(outputs) >= low
        assert np.max(outputs) <= high
    assert np.max(outputs) - np.min(outputs) > 0.9 * (high - low)


def test_starts_with_pictures_of_medium_size():
    keras.utils.set_random_seed(0)
    network = ConvTranslator((16, 32), activation=None)
    outputs = network(examples(32, 32, 3))
    assert 0.1 < np.std(outputs) < 3


def test_a_picture_does_not_see_the_others_of_its_batch():
    network = ConvTranslator((4, 4), num_blocks=1)
    x = examples(8, 8, 1)
    whole = network(x, training=True).numpy()
    for i in range(3):
        alone = network(x[i : i + 1], training=True)
        assert_close(alone, whole[i : i + 1], atol=1e-5)


def test_a_value_is_made_of_what_is_around_it():
    """The far corner of a picture does not count."""
    network = ConvTranslator((4, 4), num_blocks=1)
    x = examples(32, 32, 1)
    network(x)
    randomize_weights(network)
    other = x.copy()
    other[:, -4:, -4:] = 0
    difference = np.abs(network(x) - network(other)).max(axis=(0, -1))
    assert difference[-4:, -4:].min() > 0
    assert difference[:16, :16].max() == 0


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"filters": (4, 0)}, "`filters` must be a tuple of"),
        ({"filters": ()}, "`filters` must be a tuple of"),
        ({"num_blocks": 0}, "`num_blocks` must be a positive"),
        ({"output_channels": 0}, "`output_channels` must be a positive"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ConvTranslator(**kwargs)


@pytest.mark.parametrize("shape", [(8, 3)[:1], (None, 8, 3), (2, 2, 2, 2, 2)])
def test_wrong_inputs(shape):
    with pytest.raises(ValueError, match="`inputs` must be pictures"):
        ConvTranslator().build((None, *shape))
