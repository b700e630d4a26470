import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from keras_xmodal.ops import gaussian as ops

RNG = np.random.default_rng(0)
MEAN, LOG_VARIANCE, OTHER_MEAN, OTHER_LOG_VARIANCE = RNG.normal(
    size=(4, 5, 3)
).astype("float32")


def test_kl_is_the_integral_of_its_definition():
    def kl(mean, log_variance, other_mean, other_log_variance):
        q = stats.norm(mean, np.exp(log_variance / 2))
        p = stats.norm(other_mean, np.exp(other_log_variance / 2))
        return integrate.quad(
            lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)),
            *q.interval(1 - 1e-12),
        )[0]

    def kls(*parameters):
        return np.vectorize(kl)(*parameters).sum(axis=-1)

    parameters = MEAN, LOG_VARIANCE, OTHER_MEAN, OTHER_LOG_VARIANCE
    np.testing.assert_allclose(
        ops.gaussian_kl(*parameters), kls(*parameters), rtol=1e-4
    )
    np.testing.assert_allclose(
        ops.gaussian_kl(MEAN, LOG_VARIANCE),
        kls(MEAN, LOG_VARIANCE, 0.0, 0.0),
        rtol=1e-4,
    )


def test_kl_near_equality_is_not_rounding():
    log_variance = np.full((1, 8), 1e-3, "float32")
    exact = 4 * (np.expm1(np.float64(1e-3)) - 1e-3)
    np.testing.assert_allclose(
        ops.gaussian_kl(0.0, log_variance), [exact], rtol=1e-3
    )
    same = ops.gaussian_kl(MEAN, LOG_VARIANCE, MEAN, LOG_VARIANCE)
    np.testing.assert_array_equal(same, 0)


def test_log_prob_equals_scipy():
    x = RNG.normal(size=(4, 5, 3)).astype("float32")
    np.testing.assert_allclose(
        ops.gaussian_log_prob(x, MEAN, LOG_VARIANCE),
        stats.norm.logpdf(x, MEAN, np.exp(LOG_VARIANCE / 2)).sum(axis=-1),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        ops.gaussian_log_prob(x, 0.0, 0.0),
        stats.norm.logpdf(x).sum(axis=-1),
        rtol=1e-5,
    )


def test_sample_has_the_density_of_its_noise():
    noise = RNG.normal(size=(7, 5, 3)).astype("float32")
    z = ops.sample_gaussian(MEAN, LOG_VARIANCE, noise)
    assert z.shape == (7, 5, 3)
    # Change of variables: log q(z) = log N(noise) - log |dz/dnoise|.
    expected = (stats.norm.logpdf(noise) - LOG_VARIANCE / 2).sum(axis=-1)
    np.testing.assert_allclose(
        ops.gaussian_log_prob(z, MEAN, LOG_VARIANCE), expected, rtol=1e-4
    )
    larger = ops.sample_gaussian(MEAN, LOG_VARIANCE, noise + 1)
    assert (larger.numpy() > z.numpy()).all(), "the deviation is positive"


@pytest.mark.parametrize("log_variance", [-1e6, -100.0, 100.0, 1e6])
def test_extreme_log_variances_are_clipped(log_variance):
    mean = tf.constant(MEAN)
    log_variance = tf.fill(mean.shape, log_variance)
    limit = tf.math.sign(log_variance) * 10.0
    for function in (
        lambda lv: ops.gaussian_kl(mean, lv),
        lambda lv: ops.gaussian_kl(0.0, 0.0, mean, lv),
        lambda lv: ops.gaussian_kl(mean, lv, 0.0, -lv),
        lambda lv: ops.gaussian_log_prob(0.0, mean, lv),
        lambda lv: ops.sample_gaussian(mean, lv, 1.0),
    ):
        with tf.GradientTape() as tape:
            tape.watch([mean, log_variance])
            value = function(log_variance)
        gradients = tape.gradient(
            value, [mean, log_variance], unconnected_gradients="zero"
        )
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value, function(limit))
        assert np.isfinite(gradients[0]).all()
        np.testing.assert_array_equal(gradients[1], 0)


def test_half_precision_is_computed_in_float32():
    mean, log_variance = tf.fill((1, 4), 300.0), tf.fill((1, 4), 0.5)
    # 300^2 is beyond the largest float16, 65504.
    for function in (
        lambda m, lv: ops.gaussian_kl(m, lv),
        lambda m, lv: ops.gaussian_log_prob(m, 0.0, lv),
        lambda m, lv: ops.sample_gaussian(m, lv, m),
    ):
        half = function(tf.cast(mean, "float16"), tf.cast(log_variance, "half"))
        assert half.dtype == "float32"
        np.testing.assert_array_equal(half, function(mean, log_variance))


def test_jit_equals_eager():
    noise = RNG.normal(size=(5, 3)).astype("float32")

    def function(*parameters):
        z = ops.sample_gaussian(*parameters[:2], noise)
        return (
            ops.gaussian_kl(*parameters),
            ops.gaussian_log_prob(z, *parameters[2:]),
        )

    parameters = [
        tf.constant(x)
        for x in (MEAN, LOG_VARIANCE, OTHER_MEAN, OTHER_LOG_VARIANCE)
    ]
    jitted = tf.function(function, jit_compile=True)(*parameters)
    for a, b in zip(jitted, function(*parameters), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
