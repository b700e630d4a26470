import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import FiLM
from keras_xmodal.networks import ConvGenerator
from tests.helpers import assert_close
from tests.layers.check_r1 import randomize_weights
from tests.networks.check_network import check_litert, check_network

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((3, 4)).astype("float32")
CONDITION = RNG.standard_normal((3, 5)).astype("float32")


@pytest.mark.parametrize(
    ("conditional", "kwargs"),
    [
        (
            True,
            {
                "output_shape": (9, 14, 2),
                "filters": (6, 4),
                "num_blocks": 2,
                "activation": "sigmoid",
                "name": "pictures",
            },
        ),
        (False, {"output_shape": (5, 8, 7, 2), "filters": (4, 4)}),
        (True, {"output_shape": (13, 2), "filters": (6, 6, 4)}),
    ],
    ids=["picture", "clip", "sequence"],
)
def test_network(conditional, kwargs, tmp_path):
    inputs = [Z, CONDITION] if conditional else Z
    shape = (3, *kwargs["output_shape"])
    network = check_network(
        ConvGenerator,
        kwargs,
        inputs,
        shape,
        tmp_path,
        randomize=True,
        litert=False,
    )
    shapes = keras.tree.map_structure(lambda x: (None, *x.shape[1:]), inputs)
    assert network.compute_output_shape(shapes) == (None, *shape[1:])
    modulations = [
        layer for layer in network._flatten_layers() if isinstance(layer, FiLM)
    ]
    assert len(modulations) == (len(kwargs["filters"]) if conditional else 0)


def test_litert(tmp_path):
    network = ConvGenerator((7, 10, 1), filters=(4, 4))
    network([Z, CONDITION])
    randomize_weights(network)
    check_litert(
        lambda z, c: network([z, c]), network, (Z, CONDITION), tmp_path
    )


@pytest.mark.parametrize("size", [28, 32, 49, 64, 1])
def test_sizes(size):
    network = ConvGenerator((size, 2 * size, 1), filters=(4, 4, 2))
    network.build((None, 4))
    assert network.network.output_shape == (None, size, 2 * size, 1)
    assert network(Z).shape == (3, size, 2 * size, 1)
    # The grid is the smallest that stages of twice its size cover.
    height, width = {
        28: (4, 7),
        32: (4, 8),
        49: (7, 13),
        64: (8, 16),
        1: (1, 1),
    }[size]
    assert network.network.get_layer("grid").units == 4 * height * width


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", None])
def test_range_of_the_output(activation):
    network = ConvGenerator((8, 8, 1), filters=(4, 4), activation=activation)
    network(Z)
    randomize_weights(network)
    outputs = network(100 * Z)
    low, high = {"tanh": (-1, 1), "sigmoid": (0, 1)}.get(activation, (-9, 9))
    if activation:
        assert np.min(outputs) >= low
        assert np.max(outputs) <= high
    assert np.max(outputs) - np.min(outputs) > 0.7 * (high - low)
    # What a model finds out about the range, before and after it is built.
    last = network.layers[-1].layers[-1]
    expected = keras.activations.get(activation)
    assert last.activation is network.activation is expected
    assert ConvGenerator((8, 8, 1)).layers == []


def test_starts_with_different_pictures_of_medium_size():
    keras.utils.set_random_seed(0)
    z = RNG.standard_normal((32, 64)).astype("float32")
    network = ConvGenerator((28, 28, 1), num_blocks=2, activation=None)
    outputs = network(z)
    assert 0.1 < np.std(outputs, axis=0).mean() < 3


def test_condition_matters_from_the_start_and_in_each_stage():
    network = ConvGenerator((8, 8, 1), filters=(4, 4))
    outputs = network([Z, CONDITION])
    others = network([Z, CONDITION[::-1].copy()])
    assert np.abs(outputs - others).max() > 1e-3
    randomize_weights(network)
    grid = network.network.get_layer("grid")
    grid.kernel.assign(tf.concat([grid.kernel[:4], 0 * grid.kernel[4:]], 0))
    outputs = network([Z, CONDITION])
    others = network([Z, CONDITION[::-1].copy()])
    assert np.abs(outputs - others).max() > 1e-3


def test_a_picture_does_not_see_the_others_of_its_batch():
    network = ConvGenerator((8, 8, 1), filters=(4, 4))
    whole = network([Z, CONDITION], training=True).numpy()
    for i in range(3):
        rows = slice(i, i + 1)
        alone = network([Z[rows], CONDITION[rows]], training=True)
        assert_close(alone, whole[rows], atol=1e-5)


def test_draws_pictures_of_conditions():
    keras.utils.set_random_seed(0)
    images = (RNG.random((5, 12, 12, 1)) > 0.5).astype("float32")
    labels = np.eye(5, dtype="float32")
    z = np.zeros((5, 2), "float32")
    network = ConvGenerator((12, 12, 1), filters=(16, 16), activation="sigmoid")
    network.compile(keras.optimizers.Adam(0.01), loss="mse")
    data = [np.tile(a, (150, *[1] * (a.ndim - 1))) for a in (z, labels, images)]
    network.fit(data[:2], data[2], batch_size=5, shuffle=False, verbose=0)
    error = np.mean(np.square(network([z, labels]) - images))
    assert error < 0.1  # 0.25 for grey


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"output_shape": (8, 0, 1)}, "`output_shape` must be a tuple of"),
        ({"output_shape": (8,)}, "`output_shape` must have two to four"),
        ({"filters": (4, 0)}, "`filters` must be a tuple of"),
        ({"filters": ()}, "`filters` must be a tuple of"),
        ({"num_blocks": 0}, "`num_blocks` must be a positive"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ConvGenerator(**{"output_shape": (8, 8, 1), **kwargs})


def test_wrong_inputs():
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        ConvGenerator((8, 8, 1))(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="`inputs` must be noise"):
        ConvGenerator((8, 8, 1))([Z, CONDITION, CONDITION])
