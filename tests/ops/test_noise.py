import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_xmodal.ops.noise import (
    Noise,
    fold_in,
    stateless_normal,
    stateless_uniform,
)


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [
        (stateless_uniform, scipy.stats.uniform()),
        (stateless_normal, scipy.stats.norm()),
    ],
)
def test_distribution(draw, distribution):
    """Of one large draw, and of small ones of consecutive seeds."""
    large = draw((400, 100), seed=3).numpy()
    steps = draw((500, 20), fold_in(7, np.arange(500))).numpy()
    rows = draw((2000, 20), np.arange(2000)).numpy()
    for values in (large, steps, rows):
        test = scipy.stats.kstest(values.ravel(), distribution.cdf)
        assert test.pvalue > 1e-3
        # Neither columns nor rows know of each other.
        for x in (values, values[: values.shape[1]].T):
            correlation = np.corrcoef(x.T) - np.eye(x.shape[1])
            assert np.abs(correlation).max() < 6 / np.sqrt(len(x))


def test_noise_is_a_function_of_the_seed():
    a, b, c = (stateless_normal((5, 3), s).numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()


def test_xla_computes_the_same():
    def draw(seed):
        return stateless_normal((64, 8), seed)

    compiled = tf.function(draw, jit_compile=True)
    np.testing.assert_allclose(compiled(5), draw(5), rtol=1e-5, atol=1e-6)


def test_a_row_depends_on_its_seed_only():
    rows = stateless_normal((3, 4), seed=[8, 5, 8]).numpy()
    # Vector instructions may round in another way than the rest of a row.
    np.testing.assert_allclose(rows[0], rows[2], rtol=1e-5)
    alone = stateless_normal((1, 4), [5])[0]
    np.testing.assert_allclose(rows[1], alone, rtol=1e-5)
    assert (rows[0] != rows[1]).all()


def test_uniform_noise_is_open_at_both_ends():
    values = stateless_uniform((3000, 1000), seed=0).numpy()
    assert values.min() > 0
    assert values.max() < 1
    # Nor would the largest number of the hash reach 1.
    assert (np.float32(2**23 - 1) + np.float32(0.5)) / np.float32(2**23) < 1


def test_folded_seeds_differ():
    numbers = np.arange(30)
    seeds = fold_in(numbers[:, None], numbers).numpy()
    assert seeds.shape == (30, 30)
    assert len(np.unique(seeds)) == 900


def test_streams_are_the_integers_they_say():
    noise = Noise(7, step=3)
    first, second = noise.streams(2)
    expected = stateless_normal((4,), fold_in(fold_in(7, 3), 2))
    np.testing.assert_array_equal(second.normal((4,)), expected)
    np.testing.assert_array_equal(noise.stream(1).seed, first.seed)
    np.testing.assert_array_equal(Noise(7).seed, 7)
    uniform = stateless_uniform((4,), first.seed)
    np.testing.assert_array_equal(first.uniform((4,)), uniform)
    assert not np.array_equal(first.uniform((4,)), second.uniform((4,)))


def test_rows_do_not_depend_on_others():
    noise = Noise(7, step=3)
    batch = noise.rows(6).uniform((6, 5)).numpy()
    part = noise.rows(2, first_row=4).uniform((2, 5)).numpy()
    np.testing.assert_array_equal(batch[4:], part)
    np.testing.assert_array_equal(
        batch[1], stateless_uniform((5,), fold_in(fold_in(7, 3), 1))
    )
