import keras
import numpy as np

from keras_xmodal.layers import MixtureOfExperts
from tests.helpers import check_config

BATCH = 3000
MEANS = np.arange(3.0, dtype="float32")[:, None, None] * np.ones((1, BATCH, 2))
LOG_VARIANCES = -MEANS


def test_available_experts_are_chosen_equally_often():
    check_config(MixtureOfExperts, {"seed": 4})
    mask = np.ones((3, BATCH), bool)
    mask[1] = False
    means = np.where(mask[..., None], MEANS, np.nan)
    layer = MixtureOfExperts(seed=1)
    mean, log_variance = layer(means, LOG_VARIANCES, mask=mask)
    mean = mean.numpy()
    np.testing.assert_array_equal(log_variance, -mean)
    np.testing.assert_array_equal(mean[:, 0], mean[:, 1])
    values, counts = np.unique(mean[:, 0], return_counts=True)
    np.testing.assert_array_equal(values, [0, 2])
    assert abs(counts[0] / BATCH - 0.5) < 5 * 0.5 / np.sqrt(BATCH)


def test_without_experts_it_is_the_prior():
    mask = np.zeros((3, BATCH), bool)
    mean, log_variance = MixtureOfExperts(seed=1)(MEANS, LOG_VARIANCES, mask)
    assert not mean.numpy().any()
    assert not log_variance.numpy().any()


def test_works_in_a_functional_model(tmp_path):
    inputs = [keras.Input((2,)) for _ in range(4)]
    model = keras.Model(
        inputs, MixtureOfExperts(seed=2)(inputs[:2], inputs[2:])
    )
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    x = [*MEANS[:2], *LOG_VARIANCES[:2]]
    mean, _ = loaded(x)
    assert set(np.unique(mean)) == {0.0, 1.0}
