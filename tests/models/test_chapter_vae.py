"""The textbook's VAE: its faults, one by one, and their cures."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_xmodal as kx

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 32)).astype("float32")
Y = (X @ RNG.normal(size=(32, 8)) / 6).astype("float32")


def chapter_encode(x, kernel):
    """The textbook's encoder: a rectified mean, one variance, no divergence."""
    mean = np.maximum(x @ kernel, 0)
    return mean, np.var(mean)


def make_model():
    keras.utils.set_random_seed(1)
    model = kx.VAEModel(32, 16, 8, seed=1)
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    return model


def test_call_and_training_as_in_the_chapter():
    model = make_model()
    assert model(X).shape == (64, 8)
    history = model.fit(X, Y, epochs=15, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["x_loss"][-1] < history["x_loss"][0]


def test_without_a_target_it_is_an_autoencoder():
    model = kx.VAEModel(32, 16, 32)
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(X, epochs=10, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_variables_are_tracked_saved_and_trained(tmp_path):
    """The textbook's `W @ x` has the wrong order, and Keras sees no W."""
    with pytest.raises(ValueError, match="matmul"):
        np.zeros((32, 16)) @ X
    model = make_model()
    model(X)
    shapes = {tuple(v.shape) for v in model.trainable_variables}
    assert shapes == {(32, 32), (32,), (16, 8), (8,)}
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(X, Y, verbose=0)
    for old, new in zip(before, model.trainable_variables, strict=True):
        assert np.abs(old - new.numpy()).max() > 0
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(X), model(X))


def test_the_mean_takes_both_signs():
    """A rectified mean leaves out all of the prior but one orthant."""
    rectified, _ = chapter_encode(X, RNG.normal(size=(32, 16)))
    assert rectified.min() == 0
    model = make_model()
    model.fit(X, Y, verbose=0)
    mean = model.encode(X)
    assert (mean.min(axis=0) < 0).all()
    assert (mean.max(axis=0) > 0).all()


def test_each_example_and_dimension_has_a_variance():
    _, variance = chapter_encode(X, RNG.normal(size=(32, 16)))
    assert np.shape(variance) == ()
    model = make_model()
    model.fit(X, Y, epochs=3, verbose=0)
    log_variance = model.encode(X, output="log_variance")
    assert log_variance.shape == (64, 16)
    assert (log_variance.std(axis=0) > 0).all()
    assert (log_variance.std(axis=1) > 0).all()
    # An example's own: the others do not change it.
    np.testing.assert_allclose(
        model.encode(X[:3], output="log_variance"), log_variance[:3], atol=1e-5
    )


def test_noise_has_the_shape_of_the_latent_and_is_fresh():
    """Noise of the input's shape cannot be added to the latent."""
    with pytest.raises(ValueError, match="broadcast"):
        np.zeros((64, 16)) + RNG.normal(size=X.shape)
    model = make_model()
    model(X)
    draws = np.stack(
        [model.encode(X, output="sample", seed=s) for s in range(200)]
    )
    assert draws.shape == (200, 64, 16)
    deviation = np.exp(model.encode(X, output="log_variance") / 2)
    # Five standard errors of 200 draws.
    error = 5 * deviation / np.sqrt(200)
    assert (np.abs(draws.mean(0) - model.encode(X)) < error).all()
    x = tf.constant(X)
    bounds = []
    for step in range(2):
        model.step.assign(step)
        bounds.append(model.compute_terms(x, training=True, y=Y)["bound"])
    assert np.abs(bounds[0] - bounds[1]).max() > 1e-3


def test_the_divergence_is_in_the_loss():
    model = make_model()
    model.fit(X, Y, epochs=3, verbose=0)
    mean, log_variance = model.encode(X), model.encode(X, output="log_variance")
    expected = 0.5 * np.sum(
        np.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1
    )
    terms = model.compute_terms(tf.constant(X), tf.constant(Y))
    np.testing.assert_allclose(terms["kl"], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        terms["bound"], terms["log_likelihood"][0] - terms["kl"], rtol=1e-4
    )


def test_the_printed_bound_is_none_and_the_right_one_is():
    """`z ~ N(0, 1)`, `x = 2 z + noise`: log p(x) is that of N(0, 5).

    The textbook prints `E_pdata[log p(x)] - KL(q(z|x) || p(z))`. It has no
    reconstruction: the posterior that ignores x maximises it, and the true
    posterior, at which the right bound touches `log p(x)`, falls far below.
    """
    x = RNG.normal(size=500) * np.sqrt(5)
    log_p = scipy.stats.norm.logpdf(x, scale=np.sqrt(5))

    def both(mean, variance):
        kl = 0.5 * (variance + mean**2 - 1 - np.log(variance))
        # E_q log N(x; 2z, 1) in closed form.
        reconstruction = -0.5 * (
            np.log(2 * np.pi) + (x - 2 * mean) ** 2 + 4 * variance
        )
        return np.mean(log_p - kl), np.mean(reconstruction - kl)

    printed_true, bound_true = both(2 * x / 5, 1 / 5)
    printed_prior, bound_prior = both(0 * x, 1.0)
    np.testing.assert_allclose(bound_true, log_p.mean(), rtol=1e-6)
    assert bound_prior < bound_true
    assert printed_prior == log_p.mean()
    assert printed_true < printed_prior - 0.5

    # The model's own bound agrees with the closed form.
    model = kx.VAEModel(1, 1, 1)
    data = x[:, None].astype("float32")
    model(data)
    model.posterior_layers["x"].set_weights(
        [np.array([[0.4, 0.0]]), np.array([0.0, np.log(0.2)])]
    )
    model._output_layers["x"].set_weights([np.array([[2.0]]), np.zeros(1)])
    estimate = model.log_likelihood(data, num_samples=3, seed=1)
    np.testing.assert_allclose(estimate, log_p, atol=1e-4)
