import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import DiffAugment
from tests.helpers import assert_close, check_layer
from tests.layers.check_r1 import check_r1

RNG = np.random.default_rng(0)
SEEDS = np.arange(100, 164, dtype="int32")
IMAGES = RNG.uniform(-1, 1, (64, 12, 10, 3)).astype("float32")
POLICIES = ("color", "translation", "cutout")


def augment(images, *policy, **kwargs):
    return DiffAugment(policy, **kwargs)(images, seed=SEEDS).numpy()


def test_layer(tmp_path):
    check_layer(
        DiffAugment,
        {
            "policy": ("cutout", "translation"),
            "translation_ratio": 0.25,
            "cutout_ratio": 0.3,
            "value_range": (0.0, 1.0),
            "name": "augmentation",
        },
        tf.constant(IMAGES),
        IMAGES.shape,
        tmp_path,
    )


def test_without_seed_or_policy_nothing_changes():
    assert_close(DiffAugment()(IMAGES), IMAGES, atol=0)
    assert_close(augment(IMAGES), IMAGES, atol=0)


@pytest.mark.parametrize("policy", [*POLICIES, None])
def test_jit_and_graph_equal_eager(policy):
    layer = DiffAugment(POLICIES if policy is None else (policy,))
    expected = layer(IMAGES, seed=SEEDS).numpy()
    x, seeds = tf.constant(IMAGES), tf.constant(SEEDS)
    specs = [tf.TensorSpec((None, 12, 10, 3)), tf.TensorSpec((None,), "int32")]
    for jit in (False, True):
        function = tf.function(
            lambda x, seed: layer(x, seed=seed),
            input_signature=specs,
            jit_compile=jit,
        )
        assert_close(function(x, seeds), expected, atol=1e-5)
        # An example does not see the others, nor where it is in the batch.
        assert_close(function(x[5:8], seeds[5:8]), expected[5:8], atol=1e-5)
    changed = np.abs(expected - IMAGES).max(axis=(1, 2, 3)) > 0.1
    assert changed.mean() > 0.9
    other = layer(IMAGES, seed=SEEDS + 64)
    assert np.abs(expected - other).max() > 0.1


def test_translation_moves_whole_pixels():
    outputs = augment(IMAGES, "translation", translation_ratio=0.25)
    shifts = set()
    for image, output in zip(IMAGES, outputs, strict=True):
        padded = np.pad(image, [(3, 3), (3, 3), (0, 0)])
        found = [
            (down, right)
            for down in range(-3, 4)
            for right in range(-3, 4)
            if np.array_equal(
                padded[3 - down : 15 - down, 3 - right : 13 - right], output
            )
        ]
        assert len(found) == 1
        shifts |= set(found)
    down, right = (set(s) for s in zip(*shifts, strict=True))
    assert down == right == set(range(-3, 4))  # 12 / 4, 10 / 4 rounded up
    assert len(shifts) > 25


def test_translation_is_even():
    x = np.zeros((7000, 8, 8, 1), "float32")
    x[:, 4, 4] = 1.0
    layer = DiffAugment(("translation",), translation_ratio=0.25)
    outputs = layer(x, seed=np.arange(7000)).numpy()[..., 0]
    counts = outputs.sum(axis=0)[2:7, 2:7]
    assert counts.sum() == 7000
    # Each of 25 has 280 expected, with a standard deviation of 16.
    assert np.abs(counts - 280).max() < 80


def test_cutout_erases_a_rectangle():
    ones = np.ones((64, 12, 10, 2), "float32")
    outputs = augment(ones, "cutout", cutout_ratio=0.4)
    sizes = set()
    for output in outputs:
        assert set(np.unique(output)) <= {0.0, 1.0}
        erased = output[..., 0] == 0
        rows, columns = erased.any(axis=1), erased.any(axis=0)
        np.testing.assert_array_equal(erased, np.outer(rows, columns))
        sizes.add((rows.sum(), columns.sum()))
    assert max(sizes) == (5, 4)  # of 12 and 10
    assert min(sizes)[0] < 4  # across the border
    whole = augment(ones, "cutout", cutout_ratio=0.0)
    assert_close(whole, ones, atol=0)


def test_color():
    outputs = augment(IMAGES, "color")
    # Per image, an affine map of the values that keeps the colours' mean so.
    gray, before = outputs.mean(axis=-1), IMAGES.mean(axis=-1)
    contrast, shifts, saturation = [], [], []
    for x, y, image, output in zip(before, gray, IMAGES, outputs, strict=True):
        slope, shift = np.polyfit(x.ravel(), y.ravel(), 1)
        assert_close(slope * x + shift, y.astype(float), atol=1e-5)
        contrast.append(slope)
        shifts.append(y.mean() - x.mean())
        color = (output - y[..., None]) / (image - x[..., None])
        assert color.std() < 0.02 * color.mean() + 1e-3
        saturation.append(np.median(color) / slope)
    for values, low, high in (
        (contrast, 0.5, 1.5),
        (shifts, -0.5, 0.5),
        (saturation, 0.0, 2.0),
    ):
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high
        middle = (low + high) / 2
        assert abs(np.mean(values) - middle) < 0.12 * (high - low)
    tones = np.corrcoef([contrast, shifts, saturation])
    assert np.abs(tones - np.eye(3)).max() < 0.4


@pytest.mark.parametrize("value_range", [(0, 1), (0, 255)])
def test_value_range(value_range):
    low, high = value_range
    scale = (high - low) / 2
    scaled = (IMAGES + 1) * scale + low
    expected = (augment(IMAGES, *POLICIES) + 1) * scale + low
    outputs = augment(scaled, *POLICIES, value_range=value_range)
    assert_close(outputs, expected, atol=1e-5 * high)


def test_order_of_the_policy():
    first = augment(IMAGES, "color", "cutout")
    second = augment(IMAGES, "cutout", "color")
    assert (first == 0).mean() > 0.05
    assert (second == 0).mean() < 0.01


def test_frames_of_a_clip_change_alike():
    clips = np.repeat(IMAGES[:, None], 3, axis=1)
    outputs = augment(clips, *POLICIES)
    expected = augment(IMAGES, *POLICIES)
    for frame in range(3):
        assert_close(outputs[:, frame], expected, atol=1e-5)


def test_dtypes():
    for dtype in ("bfloat16", "float16", "float32"):
        x = keras.ops.cast(IMAGES, dtype)
        outputs = DiffAugment(dtype="mixed_bfloat16")(x, seed=SEEDS)
        assert outputs.dtype == dtype
        expected = augment(IMAGES, *POLICIES)
        assert_close(keras.ops.cast(outputs, "float32"), expected, atol=2e-2)


def test_gradient_is_that_of_the_change():
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = DiffAugment(("translation", "cutout"))(x, seed=SEEDS)
        total = tf.reduce_sum(y * y)
    gradient = tape.gradient(total, x).numpy()
    kept = gradient != 0
    assert 0.3 < kept.mean() < 0.9
    assert_close(gradient[kept], 2 * IMAGES[kept], atol=1e-5)


@pytest.mark.parametrize("policy", [("color",), POLICIES])
def test_r1(policy):
    x = IMAGES[:4].astype("float64")
    layer = DiffAugment(policy, dtype="float64")
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3), dtype="float64"),
            keras.layers.Conv2D(
                3, 3, strides=2, activation="tanh", dtype="float64"
            ),
            keras.layers.Flatten(dtype="float64"),
            keras.layers.Dense(2, activation="tanh", dtype="float64"),
        ]
    )
    check_r1(
        lambda x: model(layer(x, seed=SEEDS[:4])), x, model.trainable_weights
    )


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"policy": ("rotation",)}, "`policy` must be different ones of"),
        ({"translation_ratio": 1.5}, "`translation_ratio` must be in"),
        ({"cutout_ratio": -1}, "`cutout_ratio` must be in"),
        ({"value_range": (1, 0)}, "`value_range` must be a pair"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        DiffAugment(**kwargs)


def test_wrong_shape():
    with pytest.raises(ValueError, match="`x` must have shape"):
        DiffAugment()(IMAGES[0])
    with pytest.raises(ValueError, match="`x` must have shape"):
        DiffAugment()(keras.Input((None, 8, 3)))


@pytest.mark.parametrize("seed", [5, [1], [1, 2, 3], [[1, 2]]])
def test_one_seed_for_each_example(seed):
    layer = DiffAugment()
    with pytest.raises(ValueError, match=r"`seed` must have shape \(2,\)"):
        layer(np.zeros((2, 8, 8, 3)), seed=seed)


def test_integers_are_no_floats():
    with pytest.raises(TypeError, match=r"`x` must be floats .*uint8"):
        DiffAugment()(np.zeros((1, 8, 8, 3), "uint8"), seed=[1])
