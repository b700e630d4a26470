import keras
import numpy as np
import pytest

from keras_xmodal.layers import ProductOfExperts
from tests.helpers import check_config

RNG = np.random.default_rng(0)
MEANS = RNG.normal(size=(3, 4, 2)).astype("float32")
LOG_VARIANCES = RNG.normal(size=(3, 4, 2)).astype("float32")
MASK = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0]], bool)


@pytest.mark.parametrize("prior", [True, False])
def test_precisions_add_up(prior):
    check_config(ProductOfExperts, {"prior": prior})
    means = np.where(MASK[..., None], MEANS, np.nan)
    mean, log_variance = ProductOfExperts(prior=prior)(
        list(means), list(LOG_VARIANCES), mask=list(MASK)
    )
    precisions = np.exp(-LOG_VARIANCES) * MASK[..., None]
    precision = precisions.sum(0) + prior
    precision[precision == 0] = 1
    np.testing.assert_allclose(
        mean, (precisions * MEANS).sum(0) / precision, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        log_variance, -np.log(precision), rtol=1e-5, atol=1e-6
    )


def test_works_in_a_functional_model(tmp_path):
    inputs = [keras.Input((2,)) for _ in range(4)]
    outputs = ProductOfExperts(prior=False)(inputs[:2], inputs[2:])
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    x = [*MEANS[:2], *LOG_VARIANCES[:2]]
    direct = ProductOfExperts(prior=False)(MEANS[:2], LOG_VARIANCES[:2])
    for a, b in zip(loaded(x), direct, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_half_precision_inputs_give_float32():
    layer = ProductOfExperts(dtype="mixed_float16")
    mean, _ = layer(MEANS.astype("float16"), LOG_VARIANCES.astype("float16"))
    assert mean.dtype == "float32"
