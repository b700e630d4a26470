import doctest

import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.ops import diagnostics


def unit(rows, dim, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


def brute_force_uniformity(x, t):
    potentials = [
        np.exp(-t * np.sum((a - b) ** 2, dtype="float64"))
        for i, a in enumerate(x)
        for b in x[:i]
    ]
    return np.log(np.mean(potentials))


def test_doctests():
    assert doctest.testmod(diagnostics).failed == 0


def test_alignment():
    x, y = unit(20, 6), unit(20, 6, seed=1)
    distance = np.linalg.norm(x - y, axis=1)
    np.testing.assert_allclose(
        diagnostics.alignment(x, y), np.mean(distance**2), rtol=1e-5
    )
    np.testing.assert_allclose(
        diagnostics.alignment(x, y, exponent=1), np.mean(distance), rtol=1e-5
    )


@pytest.mark.parametrize("chunk_size", [1, 7, 20, 1024])
@pytest.mark.parametrize("t", [2.0, 0.5])
def test_uniformity_matches_all_pairs_in_any_chunks(chunk_size, t):
    x = unit(20, 6)
    np.testing.assert_allclose(
        diagnostics.uniformity(x, t, chunk_size),
        brute_force_uniformity(x, t),
        rtol=1e-5,
    )


def test_uniformity_of_a_collapsed_model_is_zero():
    x = np.repeat(unit(1, 16), 30, axis=0)
    np.testing.assert_allclose(diagnostics.uniformity(x), 0, atol=1e-5)


def test_uniformity_does_not_underflow():
    x = np.eye(4, dtype="float32")
    np.testing.assert_allclose(diagnostics.uniformity(x, t=200.0), -400)


def test_modality_gap():
    x, y = unit(20, 6), unit(31, 6, seed=1)
    np.testing.assert_allclose(
        diagnostics.modality_gap(x, y),
        np.linalg.norm(x.mean(0) - y.mean(0)),
        rtol=1e-5,
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_equals_eager(jit_compile):
    x, y = unit(20, 6), unit(20, 6, seed=1)
    compiled = tf.function(
        lambda x, y: (
            diagnostics.alignment(x, y),
            diagnostics.uniformity(x, chunk_size=8),
            diagnostics.modality_gap(x, y),
        ),
        input_signature=[tf.TensorSpec((None, 6))] * 2,
        jit_compile=jit_compile,
    )
    expected = (
        diagnostics.alignment(x, y),
        diagnostics.uniformity(x),
        diagnostics.modality_gap(x, y),
    )
    np.testing.assert_allclose(compiled(x, y), expected, rtol=1e-5)


def test_gradients_where_embeddings_are_equal():
    x = tf.constant(unit(3, 4))
    y = tf.concat([x[:2], -x[2:]], axis=0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        distance = diagnostics.alignment(x, y, exponent=1.0)
        gap = diagnostics.modality_gap(x, x[::-1])
    gradient = tape.gradient(distance, x)
    # Of the mean distance, the pair that is apart has |gradient| 1/3.
    np.testing.assert_allclose(
        np.linalg.norm(gradient, axis=1), [0, 0, 1 / 3], atol=1e-6
    )
    assert np.isfinite(tape.gradient(gap, x)).all()


def test_bad_input():
    x = unit(4, 3)
    with pytest.raises(ValueError, match=r"`x` and `y` .* x.shape=\(4, 3\)"):
        diagnostics.alignment(x, x[:2])
    with pytest.raises(ValueError, match=r"`y` must have shape .*\(4,\)"):
        diagnostics.modality_gap(x, x[:, 0])
    with pytest.raises(ValueError, match="at least 2 rows"):
        diagnostics.uniformity(x[:1])
