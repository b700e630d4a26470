import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.ops import similarity as ops


def test_l2_normalize_gives_unit_length_in_float32():
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float16")
    y = ops.l2_normalize(x)
    assert y.dtype == "float32"
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 1, rtol=1e-6)


def test_l2_normalize_of_zero_is_zero_with_finite_gradient():
    x = tf.zeros((1, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.l2_normalize(x)
    np.testing.assert_array_equal(y, 0)
    assert np.isfinite(tape.gradient(y, x)).all()


def test_l2_normalize_does_not_overflow_in_half_precision():
    # 300^2 is beyond the largest float16, 65504.
    y = ops.l2_normalize(np.full((1, 4), 300, "float16"))
    np.testing.assert_allclose(y, 0.5, rtol=1e-6)


def test_l2_normalize_of_the_largest_and_of_short_vectors():
    x = np.array([[3.0, 4.0]], "float32")
    for scale in (7e37, 1e20, 1e-5):
        y = ops.l2_normalize(scale * x)
        np.testing.assert_allclose(y, [[0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(ops.l2_normalize(1e-8 * x), 0.01 * x, rtol=1e-6)


def test_gradient_of_l2_normalize_is_across_the_vector():
    x = tf.constant([[3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        first = ops.l2_normalize(x)[0, 0]
    # d(x_0 / |x|) = (1 - .6^2, -.6 * .8) / 5
    np.testing.assert_allclose(
        tape.gradient(first, x), [[0.128, -0.096]], rtol=1e-5
    )


def test_dot_similarity_is_the_dot_product_of_every_pair():
    a = np.array([[1.0, 0.0], [0.0, 2.0]], "float32")
    b = np.array([[1.0, 1.0], [3.0, 0.0], [0.0, -1.0]], "float32")
    np.testing.assert_array_equal(
        ops.dot_similarity(a, b), [[1, 3, 0], [2, 0, -2]]
    )


def test_relative_representation_is_a_distribution_over_anchors():
    rng = np.random.default_rng(0)
    embeddings, anchors = rng.normal(size=(5, 8)), rng.normal(size=(3, 8))
    outputs = ops.relative_representation(7 * embeddings, 3 * anchors, 0.2)
    a, b = (
        x / np.linalg.norm(x, axis=1, keepdims=True)
        for x in (embeddings, anchors)
    )
    shares = np.exp(a @ b.T / 0.2)
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs**2, shares, rtol=1e-5)


def test_relative_representation_has_a_gradient_at_low_temperatures():
    x = tf.constant([[1.0, 0.0], [0.6, 0.8]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.relative_representation(x, -np.eye(2), temperature=1e-3)
        total = tf.reduce_sum(tf.abs(y))
    assert np.isfinite(tape.gradient(total, x)).all()


def test_relative_representation_joins_what_each_has_of_its_own():
    rng = np.random.default_rng(0)
    texts = np.eye(40)[:20]
    # Each modality is half text and half something that is always the same.
    images = texts + 2 * np.eye(40)[20] + 0.1 * rng.normal(size=(20, 40))
    sounds = texts - 2 * np.eye(40)[20] + 0.1 * rng.normal(size=(20, 40))
    images[0] = texts[0]  # one picture has less of it, and so is too near
    plain = ops.dot_similarity(*map(ops.l2_normalize, (sounds, images)))
    assert np.mean(np.argmax(plain, axis=1) == np.arange(20)) < 0.2
    relative = ops.dot_similarity(
        *(ops.relative_representation(x, texts) for x in (sounds, images))
    )
    assert (np.argmax(relative, axis=1) == np.arange(20)).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_relative_representation_refuses_a_wrong_temperature(temperature):
    with pytest.raises(ValueError, match="`temperature` must be a positive"):
        ops.relative_representation(np.eye(2), np.eye(2), temperature)
