import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import AdaptiveAugmentation, DiffAugment
from tests.helpers import assert_close, check_layer
from tests.layers.check_r1 import check_r1

RNG = np.random.default_rng(0)
SEEDS = np.arange(200, dtype="int32")
IMAGES = RNG.uniform(-1, 1, (200, 8, 8, 3)).astype("float32")


def at(probability, *policy, **kwargs):
    layer = AdaptiveAugmentation(policy=policy, **kwargs)
    layer.probability.assign(probability)
    return layer


def test_layer(tmp_path):
    layer = check_layer(
        AdaptiveAugmentation,
        {
            "target": 0.5,
            "adaptation_speed": 1000,
            "policy": ("translation", "color"),
            "translation_ratio": 0.25,
            "cutout_ratio": 0.3,
            "value_range": (0.0, 1.0),
        },
        tf.constant(IMAGES),
        IMAGES.shape,
        tmp_path,
    )
    assert not layer.trainable_weights


def test_at_0_nothing_changes_and_at_1_all_does():
    policy = ("color", "translation", "cutout")
    assert_close(at(0.0, *policy)(IMAGES, seed=SEEDS), IMAGES, atol=1e-6)
    expected = DiffAugment(policy)(IMAGES, seed=SEEDS)
    assert_close(at(1.0, *policy)(IMAGES, seed=SEEDS), expected, atol=0)
    assert_close(at(1.0)(IMAGES), IMAGES, atol=0)


@pytest.mark.parametrize("policy", ["translation", "cutout"])
def test_share_of_examples(policy):
    outputs = at(0.3, policy)(IMAGES, seed=SEEDS).numpy()
    full = DiffAugment((policy,))(IMAGES, seed=SEEDS).numpy()
    changed = np.abs(outputs - IMAGES).max(axis=(1, 2, 3)) > 0
    assert 0.15 < changed.mean() < 0.45  # 0.3, standard error 0.03
    assert_close(outputs[changed], full[changed], atol=0)


def test_changes_apply_independently():
    seeds = tf.constant(np.arange(4000, dtype="int32"))
    applied = at(0.3)._applied(seeds).numpy()
    assert_close(applied.mean(axis=0), np.full(5, 0.3), atol=0.03)
    correlation = np.corrcoef(applied.T) - np.eye(5)
    assert np.abs(correlation).max() < 0.06


def test_update():
    layer = AdaptiveAugmentation(target=0.5, adaptation_speed=100)
    assert float(layer.probability) == 0
    sure = np.array([3.0, 0.1, 2.0, 5.0, -1.0], "float32")  # mean sign 0.6
    unsure = np.array([[3.0], [-0.1], [-2.0]], "float32")
    update = tf.function(layer.update, jit_compile=True)
    update(sure)
    update(tf.constant(sure)[:, None])
    assert_close(layer.probability, np.float32(0.1), atol=1e-6)
    layer.update(unsure)
    assert_close(layer.probability, np.float32(0.07), atol=1e-6)
    layer.update(np.ones(300, "float32"))
    assert float(layer.probability) == 1
    for _ in range(50):
        update(unsure)
    assert float(layer.probability) == 0


def test_probability_is_saved(tmp_path):
    layer = at(0.0, "translation")
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    layer.probability.assign(0.37)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded.layers[-1].probability, np.float32(0.37), atol=0)


def test_r1_jit_and_graph():
    layer = at(0.5, "color", "translation", "cutout", dtype="float64")
    dense = keras.layers.Dense(2, activation="tanh", dtype="float64")
    x = IMAGES[:6].astype("float64")

    def logit(x):
        x = layer(x, seed=SEEDS[:6])
        return dense(keras.ops.reshape(x, (6, -1)))

    logit(x)
    check_r1(logit, x, dense.weights)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"target": 1.5}, "`target` must be in"),
        ({"adaptation_speed": 0}, "`adaptation_speed` must be"),
        ({"policy": ("none",)}, "`policy` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        AdaptiveAugmentation(**kwargs)
