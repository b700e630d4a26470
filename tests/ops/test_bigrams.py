import collections
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.ops.bigrams import bigram_counts, ctc_bigram_counts
from tests.helpers import assert_close


def count(tokens, size):
    """Counts of one text, by hand."""
    pairs = collections.Counter(itertools.pairwise([0, *tokens, 0]))
    counts = np.zeros((size, size), "float32")
    for pair, number in pairs.items():
        counts[pair] = number
    return counts


def expect(p):
    """Expected counts of one recording, over all paths."""
    num_steps, size = p.shape
    expected = np.zeros((size, size))
    for path in itertools.product(range(size), repeat=num_steps):
        probability = np.prod(p[np.arange(num_steps), path])
        text = [label for label, _ in itertools.groupby(path) if label]
        expected += probability * count(text, size)
    return expected


@pytest.mark.parametrize("text", [[], [1], [2, 2, 2], [3, 1, 2, 3, 1]])
def test_counts(text):
    tokens = np.array([text + [0] * (6 - len(text))])
    assert_close(bigram_counts(tokens, 4)[0], count(text, 4), atol=0)


def test_text_as_long_as_its_row():
    assert_close(bigram_counts([[1, 2]], 3)[0], count([1, 2], 3), atol=0)


@pytest.mark.parametrize(("num_steps", "size"), [(1, 4), (2, 3), (6, 3)])
def test_expectation_over_all_paths(num_steps, size):
    rng = np.random.default_rng(num_steps)
    logits = 2 * rng.standard_normal((3, num_steps, size)).astype("float32")
    expected = [expect(p) for p in keras.ops.softmax(logits).numpy()]
    assert_close(ctc_bigram_counts(logits), np.array(expected), atol=1e-5)


def test_sure_network_equals_the_text():
    # 2 2 blank 1 1 blank 1 3 reads 2 1 1 3.
    path = np.array([[2, 2, 0, 1, 1, 0, 1, 3] + 300 * [0]])
    logits = 100.0 * keras.ops.one_hot(path, 4)
    expected = bigram_counts([[2, 1, 1, 3, 0]], 4)
    assert_close(ctc_bigram_counts(logits), expected, atol=1e-4)


def test_long_recordings_stay_finite():
    rng = np.random.default_rng(0)
    logits = 50 * rng.standard_normal((2, 1000, 5)).astype("float32")
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        counts = ctc_bigram_counts(x)
        loss = tf.reduce_sum(tf.nn.l2_normalize(counts, (1, 2))[:, 1, 2])
    assert np.isfinite(counts).all()
    assert np.isfinite(tape.gradient(loss, x)).all()
    # Every text has one beginning and one end.
    assert_close(counts[:, 0].numpy().sum(axis=-1), np.ones(2), atol=2e-3)
    assert_close(counts[:, :, 0].numpy().sum(axis=-1), np.ones(2), atol=2e-3)


def test_gradient():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((1, 4, 3)).astype("float32")
    weights = rng.standard_normal((3, 3)).astype("float32")

    def value(x):
        return tf.reduce_sum(ctc_bigram_counts(x) * weights)

    theoretical, numerical = tf.test.compute_gradient(
        value, [tf.constant(logits)], delta=1e-2
    )
    assert_close(theoretical[0], numerical[0], atol=1e-3)


def test_same_with_xla():
    rng = np.random.default_rng(0)
    logits = tf.constant(rng.standard_normal((2, 9, 4)), tf.float32)
    compiled = tf.function(ctc_bigram_counts, jit_compile=True)
    assert_close(compiled(logits), ctc_bigram_counts(logits), atol=1e-5)
