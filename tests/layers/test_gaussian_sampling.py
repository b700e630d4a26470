import keras
import numpy as np
import pytest

from keras_xmodal.layers import GaussianSampling
from tests.helpers import check_config

MEAN = np.tile([[1.0, -2.0]], (4000, 1)).astype("float32")
LOG_VARIANCE = np.tile([[0.0, 2.0]], (4000, 1)).astype("float32")


def test_samples_have_the_moments():
    check_config(GaussianSampling, {"num_samples": 3, "seed": 5})
    z = GaussianSampling(seed=1)([MEAN, LOG_VARIANCE]).numpy()
    assert z.shape == MEAN.shape
    np.testing.assert_allclose(z.mean(0), MEAN[0], atol=5 * np.e / 63)
    np.testing.assert_allclose(np.log(z.var(0)), LOG_VARIANCE[0], atol=0.12)


def test_num_samples_is_the_first_axis():
    z = GaussianSampling(num_samples=3, seed=1)([MEAN[:5], LOG_VARIANCE[:5]])
    assert z.shape == (3, 5, 2)
    assert np.abs(z[0] - z[1]).min() > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_maths_is_float32(policy):
    z = GaussianSampling(seed=1, dtype=policy)([MEAN, LOG_VARIANCE])
    assert z.dtype == "float32"
    expected = GaussianSampling(seed=1)([MEAN, LOG_VARIANCE])
    np.testing.assert_array_equal(z, expected)


def test_saves_in_a_functional_model(tmp_path):
    inputs = keras.Input((3,))
    parameters = [keras.layers.Dense(2)(inputs) for _ in range(2)]
    outputs = GaussianSampling(num_samples=4, seed=3)(parameters)
    model = keras.Model(inputs, outputs)
    assert outputs.shape == (4, None, 2)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded(np.ones((5, 3))).shape == (4, 5, 2)


def test_bad_input():
    with pytest.raises(ValueError, match="Received: num_samples=0"):
        GaussianSampling(num_samples=0)
    with pytest.raises(ValueError, match="Received: input_shape="):
        GaussianSampling()([MEAN, LOG_VARIANCE[:, :1]])
