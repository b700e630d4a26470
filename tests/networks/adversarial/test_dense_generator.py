import keras
import numpy as np
import pytest

from keras_xmodal.networks import DenseGenerator
from tests.helpers import assert_close
from tests.networks.check_network import check_network

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((3, 4)).astype("float32")
CONDITION = RNG.standard_normal((3, 5)).astype("float32")


@pytest.mark.parametrize("conditional", [True, False])
def test_network(conditional, tmp_path):
    kwargs = {
        "output_dim": 3,
        "hidden_units": (7, 6),
        "activation": "tanh",
        "name": "vectors",
    }
    inputs = [Z, CONDITION] if conditional else Z
    network = check_network(
        DenseGenerator,
        kwargs,
        inputs,
        (3, 3),
        tmp_path,
        randomize=True,
        litert=False,
    )
    assert network.activation is keras.activations.tanh
    assert network.layers[-1].activation is keras.activations.tanh


def test_value():
    network = DenseGenerator(2, hidden_units=(6,))
    outputs = network([Z, CONDITION])
    first, b, second, d = network.get_weights()
    joined = np.concatenate([Z, CONDITION], axis=1)
    expected = np.maximum(joined @ first + b, 0) @ second + d
    assert_close(outputs, 1 / (1 + np.exp(-expected)), atol=1e-5)


def test_defaults_are_the_textbook_s():
    network = DenseGenerator(8)
    network(Z)
    assert [w.shape for w in network.weights[::2]] == [
        (4, 128),
        (128, 64),
        (64, 8),
    ]


def test_errors():
    for kwargs in ({"output_dim": 0}, {"hidden_units": (3, 0)}):
        with pytest.raises(ValueError, match=r"must be a (tuple of )?positive"):
            DenseGenerator(**{"output_dim": 3, **kwargs})
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        DenseGenerator(3)(np.zeros((2, 3, 4)))
