import numpy as np
import pytest

from keras_xmodal.networks import DenseDiscriminator
from tests.helpers import assert_close
from tests.networks.check_network import check_network, check_penalty

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4)).astype("float32")
CONDITION = RNG.standard_normal((3, 5)).astype("float32")


@pytest.mark.parametrize("conditional", [True, False])
def test_network(conditional, tmp_path):
    kwargs = {"hidden_units": (7, 6), "name": "vectors"}
    inputs = [X, CONDITION] if conditional else X
    check_network(
        DenseDiscriminator,
        kwargs,
        inputs,
        (3, 1),
        tmp_path,
        randomize=True,
        litert=False,
    )


def test_value():
    network = DenseDiscriminator(hidden_units=(6,))
    outputs = network([X, CONDITION])
    first, b, second, d = network.get_weights()
    hidden = np.concatenate([X, CONDITION], axis=1) @ first + b
    expected = np.where(hidden > 0, hidden, 0.2 * hidden) @ second + d
    assert_close(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("conditional", [True, False])
def test_r1(conditional):
    inputs = [X, CONDITION] if conditional else X
    check_penalty(DenseDiscriminator((7, 6), dtype="float64"), inputs)


def test_errors():
    with pytest.raises(ValueError, match="a tuple of positive"):
        DenseDiscriminator(hidden_units=(3, 0))
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        DenseDiscriminator()(np.zeros((2, 3, 4)))
