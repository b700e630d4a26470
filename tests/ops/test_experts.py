import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from keras_xmodal.ops import experts as ops

EXPERTS, BATCH, DIM = 3, 6, 2


def experts(seed=0, missing=0.4):
    """Random experts and mask, with NaN in the masked cells."""
    rng = np.random.default_rng(seed)
    shape = (EXPERTS, BATCH, DIM)
    mask = rng.random(shape[:2]) >= missing
    if missing:
        mask[:, 0], mask[:, 1] = False, True  # Nothing, and everything.
    means, log_variances = rng.normal(size=(2, *shape)).astype("float32")
    means[~mask] = log_variances[~mask] = np.nan
    return means, log_variances, mask


def product_by_hand(means, log_variances, prior):
    """Product of a list of Gaussians, one after the other, in float64."""
    mean, variance = np.zeros(DIM), np.ones(DIM)
    factors = list(zip(means, log_variances, strict=True))
    if not prior and factors:
        (mean, log_variance), *factors = factors
        variance = np.exp(np.float64(log_variance))
    for m, lv in factors:
        v = np.exp(np.float64(lv))
        mean = (mean * v + m * variance) / (v + variance)
        variance = v * variance / (v + variance)
    return mean, np.log(variance)


def assert_masked_gradients_are_zero(function, seed=0):
    """Finite, exactly zero where masked, not zero elsewhere."""
    means, log_variances, mask = experts(seed)
    inputs = tf.constant(means), tf.constant(log_variances)

    def gradients(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(*inputs, mask)
            # Squared: the sum alone could have a gradient that vanishes.
            total = sum(tf.reduce_sum(tf.square(x)) for x in outputs)
        return tape.gradient(total, inputs)

    for mode in (gradients, tf.function(gradients, jit_compile=True)):
        for gradient in mode(*inputs):
            assert np.isfinite(gradient).all()
            np.testing.assert_array_equal(gradient.numpy()[~mask], 0)
            assert (np.abs(gradient.numpy()[mask]) > 1e-6).mean() > 0.9


def test_all_subsets():
    subsets = ops.all_subsets(4)
    assert subsets.shape == (15, 4)
    assert len({tuple(row) for row in subsets}) == 15
    np.testing.assert_array_equal(subsets[:4], np.eye(4, dtype=bool))
    assert subsets[-1].all()
    assert (np.diff(subsets.sum(axis=1)) >= 0).all()
    np.testing.assert_array_equal(ops.all_subsets(1), [[True]])


@pytest.mark.parametrize("num_modalities", [0, -2])
def test_all_subsets_of_nothing(num_modalities):
    with pytest.raises(ValueError, match=f"num_modalities={num_modalities}"):
        ops.all_subsets(num_modalities)


def test_fill_missing_keeps_the_rest():
    means, log_variances, mask = experts()
    filled = ops.fill_missing(means, log_variances, mask)
    for x, original in zip(filled, (means, log_variances), strict=True):
        np.testing.assert_array_equal(x.numpy()[mask], original[mask])
        np.testing.assert_array_equal(x.numpy()[~mask], 0)


@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_product_of_experts_by_hand(seed, prior):
    means, log_variances, mask = experts(seed)
    mean, log_variance = ops.product_of_experts(
        means, log_variances, mask, prior
    )
    for i, there in enumerate(mask.T):
        expected = product_by_hand(
            means[there, i], log_variances[there, i], prior
        )
        np.testing.assert_allclose(mean[i], expected[0], atol=1e-5)
        np.testing.assert_allclose(log_variance[i], expected[1], atol=1e-5)
    np.testing.assert_array_equal(mean[0], 0)  # No expert: the prior.
    np.testing.assert_array_equal(log_variance[0], 0)


def test_product_is_the_normalised_product_of_densities():
    means, log_variances, _ = experts(missing=0)
    mean, log_variance = ops.product_of_experts(means, log_variances)
    z = np.linspace(-2, 2, 5)[:, None, None]
    log_product = stats.norm.logpdf(z) + stats.norm.logpdf(
        z[:, None], means, np.exp(log_variances / 2)
    ).sum(axis=1)
    log_prob = stats.norm.logpdf(z, mean, np.exp(log_variance / 2))
    constant = log_product - log_prob  # The same at every z.
    np.testing.assert_allclose(constant[1:], constant[:-1], atol=1e-4)


def test_product_broadcasts_a_mask_of_subsets():
    means, log_variances, mask = experts()
    masks = np.stack([mask, mask & [[True], [False], [True]]], axis=1)
    mean, log_variance = ops.product_of_experts(
        means[:, None], log_variances[:, None], masks
    )
    assert mean.shape == log_variance.shape == (2, BATCH, DIM)
    for i in range(2):
        alone = ops.product_of_experts(means, log_variances, masks[:, i])
        np.testing.assert_allclose(mean[i], alone[0], rtol=1e-6)
        np.testing.assert_allclose(log_variance[i], alone[1], rtol=1e-6)


def test_product_of_extreme_experts():
    means = tf.constant([[[1.0]], [[3.0]]])
    for sign in (-1, 1):
        log_variances = tf.fill(means.shape, sign * 1e4)
        with tf.GradientTape() as tape:
            tape.watch(means)
            mean, log_variance = ops.product_of_experts(
                means, log_variances, prior=False
            )
        np.testing.assert_allclose(mean, [[2.0]], rtol=1e-6)
        np.testing.assert_allclose(
            log_variance, [[sign * 10 - np.log(2)]], rtol=1e-6
        )
        np.testing.assert_allclose(tape.gradient(mean, means), 0.5, rtol=1e-6)


def test_order_of_the_experts_does_not_matter():
    means, log_variances, mask = experts(missing=0.3)
    z = np.random.default_rng(1).normal(size=(BATCH, DIM))
    expected = ops.product_of_experts(means, log_variances, mask)
    density = ops.mixture_log_prob(z, means, log_variances, mask)
    for order in map(list, itertools.permutations(range(EXPERTS))):
        arguments = means[order], log_variances[order], mask[order]
        for a, b in zip(
            ops.product_of_experts(*arguments), expected, strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-6)
        np.testing.assert_allclose(
            ops.mixture_log_prob(z, *arguments), density, rtol=1e-5
        )


@pytest.mark.parametrize("prior", [False, True, "full"])
def test_product_of_subsets_is_the_product_of_each(prior):
    means, log_variances, mask = experts()
    subsets = ops.all_subsets(EXPERTS)
    priors = subsets.all(axis=1) if prior == "full" else prior
    joint, joint_log_variance, available = ops.product_of_subsets(
        means, log_variances, mask, prior=priors
    )
    assert joint.shape == (7, BATCH, DIM)
    priors = np.broadcast_to(priors, 7)
    for s, i in np.ndindex(7, BATCH):
        members = subsets[s]
        there = mask[members, i].all()
        assert bool(available[s, i]) == there
        members = members & there
        expected = product_by_hand(
            means[members, i], log_variances[members, i], priors[s]
        )
        np.testing.assert_allclose(joint[s, i], expected[0], atol=1e-5)
        np.testing.assert_allclose(
            joint_log_variance[s, i], expected[1], atol=1e-5
        )


def test_product_of_given_subsets():
    means, log_variances, _ = experts(missing=0)
    subsets = [[True, False, True], [False, True, False]]
    mean, log_variance, available = ops.product_of_subsets(
        means, log_variances, subsets=subsets
    )
    assert available.numpy().all()
    expected = ops.product_of_experts(
        means[::2], log_variances[::2], prior=False
    )
    np.testing.assert_allclose(mean[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(log_variance[0], expected[1], atol=1e-6)
    np.testing.assert_allclose(mean[1], means[1], rtol=1e-5)
    np.testing.assert_allclose(log_variance[1], log_variances[1], atol=1e-6)


@pytest.mark.parametrize("missing", [0, 0.4])
def test_mixture_log_prob_by_hand(missing):
    means, log_variances, mask = experts(missing=missing)
    z = np.random.default_rng(1).normal(size=(4, 3, BATCH, DIM))
    actual = ops.mixture_log_prob(
        z, means, log_variances, mask if missing else None
    )
    assert actual.shape == (4, 3, BATCH)
    for i, there in enumerate(mask.T):
        log_probs = [
            stats.norm.logpdf(z[:, :, i], m, np.exp(lv / 2)).sum(axis=-1)
            for m, lv in zip(
                means[there, i], log_variances[there, i], strict=True
            )
        ] or [stats.norm.logpdf(z[:, :, i]).sum(axis=-1)]
        expected = special.logsumexp(log_probs, axis=0) - np.log(len(log_probs))
        np.testing.assert_allclose(actual[:, :, i], expected, rtol=1e-4)


def test_mixture_far_from_all_components():
    """Log-densities under -1e9, where a mask by a large number fails."""
    z = tf.constant([[1e4]])
    means = tf.constant([[[0.0]], [[1.0]]])
    log_variances = tf.fill(means.shape, -10.0)
    mask = [[True], [False]]
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = ops.mixture_log_prob(z, means, log_variances, mask)
    np.testing.assert_allclose(value, [-0.5e8 * np.exp(10)], rtol=1e-5)
    np.testing.assert_allclose(
        tape.gradient(value, z), [[-1e4 * np.exp(10)]], rtol=1e-5
    )


def test_component_index_is_uniform_over_the_available():
    """Evenly spaced numbers give each component exactly its share."""
    uniform = (np.arange(60, dtype="float32") + 0.5) / 60
    for there in itertools.product([False, True], repeat=4):
        if not any(there):
            continue
        mask = np.repeat(np.array(there)[:, None], 60, axis=1)
        index = ops.component_index(uniform, mask)
        assert index.dtype == "int32"
        expected = np.array(there) * 60 // sum(there)
        np.testing.assert_array_equal(np.bincount(index, minlength=4), expected)


def test_component_index_is_in_range_whatever_the_rounding():
    below_one = np.nextafter(np.float32(1), np.float32(0))
    for count in range(1, 40):
        mask = np.ones((count, 2), bool)
        index = ops.component_index([0.0, below_one], mask).numpy()
        np.testing.assert_array_equal(index, [0, count - 1])
    index = ops.component_index([0.0, 1.0], np.zeros((3, 2), bool)).numpy()
    assert ((index >= 0) & (index < 3)).all()


def test_stratified_choice_gives_equal_shares_to_a_batch():
    mask = np.ones((5, 20), bool)
    for u in np.random.default_rng(0).random(10):
        uniform = (u + np.arange(20) / 20) % 1
        index = ops.component_index(uniform, mask)
        np.testing.assert_array_equal(np.bincount(index), 4)


@pytest.mark.parametrize("missing", [0, 0.4])
def test_select_component_gathers_what_the_index_says(missing):
    means, log_variances, mask = experts(missing=missing)
    uniform = np.random.default_rng(2).random(BATCH).astype("float32")
    index = ops.component_index(uniform, mask).numpy()
    mean, log_variance = ops.select_component(
        uniform, means, log_variances, mask if missing else None
    )
    for i in range(BATCH):
        if mask[:, i].any():
            np.testing.assert_array_equal(mean[i], means[index[i], i])
            np.testing.assert_array_equal(
                log_variance[i], log_variances[index[i], i]
            )
        else:
            np.testing.assert_array_equal(mean[i], 0)
            np.testing.assert_array_equal(log_variance[i], 0)


Z = np.random.default_rng(3).normal(size=(BATCH, DIM)).astype("float32")
each_function = pytest.mark.parametrize(
    "function",
    [
        ops.product_of_experts,
        lambda m, lv, mask: ops.product_of_experts(m, lv, mask, prior=False),
        lambda m, lv, mask: ops.product_of_subsets(m, lv, mask)[:2],
        lambda m, lv, mask: ops.product_of_subsets(m, lv, mask, None, True)[:2],
        lambda m, lv, mask: [ops.mixture_log_prob(Z, m, lv, mask)],
    ],
    ids=["product", "no prior", "subsets", "subsets with prior", "mixture"],
)


@each_function
@pytest.mark.parametrize("seed", range(3))
def test_masked_gradients_are_zero(function, seed):
    assert_masked_gradients_are_zero(function, seed)


@each_function
def test_jit_equals_eager(function):
    arguments = [tf.constant(x) for x in experts()]
    jitted = tf.function(function, jit_compile=True)(*arguments)
    for a, b in zip(jitted, function(*arguments), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@each_function
def test_half_precision_is_computed_in_float32(function):
    means, log_variances, mask = experts()
    halves = [tf.cast(x, "bfloat16") for x in (means, log_variances)]
    floats = [tf.cast(x, "float32") for x in halves]
    for a, b in zip(
        function(*halves, mask), function(*floats, mask), strict=True
    ):
        assert a.dtype == "float32"
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_of_a_choice_reaches_the_chosen_only(jit_compile):
    means, log_variances, mask = experts()
    inputs = tf.constant(means), tf.constant(log_variances)
    uniform = np.random.default_rng(2).random(BATCH).astype("float32")

    @tf.function(jit_compile=jit_compile)
    def gradients(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = ops.select_component(uniform, *inputs, mask)
        return tape.gradient(outputs, inputs)

    index = ops.component_index(uniform, mask)
    chosen = mask & (np.arange(EXPERTS)[:, None] == index.numpy())
    assert chosen.sum() == BATCH - 1
    for gradient in gradients(*inputs):
        np.testing.assert_array_equal(
            gradient, np.broadcast_to(chosen[..., None], means.shape)
        )
