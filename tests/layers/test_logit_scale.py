import keras
import numpy as np
import pytest

from keras_xmodal.layers import LogitScale
from tests.helpers import check_layer


def test_layer(tmp_path):
    check_layer(
        LogitScale,
        {"temperature": 0.2, "bias": -3.0},
        np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4),
        (2, 4),
        tmp_path,
    )


def test_value():
    layer = LogitScale(temperature=0.1, bias=-10.0)
    np.testing.assert_allclose(
        layer(np.array([1.0, 0.0, -0.5])), [0, -10, -15], atol=1e-5
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_stays_in_float32_under_mixed_precision(policy):
    layer = LogitScale(temperature=0.01, dtype=policy)
    similarities = keras.ops.convert_to_tensor([0.12345678], "float32")
    outputs = layer(similarities)
    assert outputs.dtype == "float32"
    np.testing.assert_allclose(outputs, 12.345678, rtol=1e-5)


def test_scale_is_clamped_after_an_update():
    layer = LogitScale(temperature=0.011)
    optimizer = keras.optimizers.SGD(100.0)
    gradients = [np.float32(-1), np.float32(0)]
    optimizer.apply(gradients, layer.trainable_variables)
    assert float(layer.log_scale) == pytest.approx(np.log(100))
    optimizer.apply([-g for g in gradients], layer.trainable_variables)
    assert float(layer.log_scale) == 0


def test_a_scale_that_starts_above_100_is_the_largest():
    layer = LogitScale(temperature=0.01 / 1.2)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.apply([np.float32(-1), np.float32(0)], layer.trainable_variables)
    assert float(layer.log_scale) == pytest.approx(np.log(120))
    layer = LogitScale(temperature=0.5)
    layer.restart(0.01 / 1.2, 0.0)
    layer.log_scale.assign(9.0)
    layer.log_scale.assign(layer.log_scale.constraint(layer.log_scale))
    assert float(layer.log_scale) == pytest.approx(np.log(120))


def test_restart_moves_an_untrained_start_only():
    layer = LogitScale()
    layer.restart(0.1, -10.0)
    assert float(layer.logit_bias) == -10
    layer.restart(0.5, 1.0)  # Still untrained.
    np.testing.assert_allclose(layer(np.array([1.0])), [3.0], rtol=1e-6)
    layer.log_scale.assign_add(0.01)
    layer.restart(0.1, -10.0)
    assert float(layer.logit_bias) == 1


@pytest.mark.parametrize("temperature", [0, -1, 0.0001, 2])
def test_temperature_out_of_range(temperature):
    with pytest.raises(ValueError, match=f"temperature={temperature}"):
        LogitScale(temperature=temperature)
