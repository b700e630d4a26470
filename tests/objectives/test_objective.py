import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import objectives
from keras_xmodal.objectives.objective import kl_with_free_bits
from keras_xmodal.ops.noise import Noise
from tests.helpers import assert_close, check_config
from tests.objectives import by_hand
from tests.objectives.by_hand import FULL, MEAN

CLASSES = {
    objectives.CVAE: {"target": "b"},
    objectives.JMVAE: {"alpha": 0.3},
    objectives.MMVAE: {},
    objectives.MMVAEPlus: {"private_dim": by_hand.DIM},
    objectives.MVAE: {"num_subsets": 2},
    objectives.MVTCAE: {"alpha": 0.6},
    objectives.MoPoE: {},
    objectives.TELBO: {"gamma": 0.7},
}
MIXTURES = (objectives.MMVAE, objectives.MMVAEPlus, objectives.MoPoE)
each_class = pytest.mark.parametrize("cls", CLASSES)


def make(cls, **kwargs):
    return cls(**CLASSES[cls], **kwargs)


def run(objective, mask=FULL, noise=None, times=1, **kwargs):
    return objective(
        by_hand.experts(mask, times=times, **kwargs),
        by_hand.log_likelihood(mask, times),
        noise or Noise(1, 0),
    )


def run_often(objective, times, seed):
    """Bounds `(times, batch)`: examples of their own noise, in one batch."""
    bound = run(objective, noise=Noise(seed, 0), times=times)["bound"]
    return np.reshape(bound, (times, by_hand.BATCH))


@each_class
def test_config(cls):
    own = {"beta": 0.5, "estimator": "dreg", "num_samples": 4}
    check_config(cls, {**CLASSES[cls], **own})


@each_class
@pytest.mark.parametrize(
    ("argument", "value"),
    [("beta", -1.0), ("num_samples", 0), ("estimator", "rws")],
)
def test_arguments_are_checked(cls, argument, value):
    with pytest.raises(ValueError, match=f"Received: {argument}={value!r}"):
        make(cls, **{argument: value})


@pytest.mark.parametrize("estimator", ["elbo", "stl"])
def test_one_sample_where_more_have_no_meaning(estimator):
    with pytest.raises(ValueError, match="num_samples=2, estimator="):
        objectives.MVAE(estimator=estimator, num_samples=2)


@each_class
@pytest.mark.parametrize("estimator", ["elbo", "iwae", "stl", "dreg"])
def test_missing_experts_have_no_gradient_even_as_nan(cls, estimator):
    mask = by_hand.PARTLY
    objective = make(cls, estimator=estimator)
    gradients = []
    for fill in (MEAN, np.nan):
        mean = np.where(mask[..., None], MEAN, fill).astype("float32")
        mean = tf.constant(mean)
        with tf.GradientTape() as tape:
            tape.watch(mean)
            bound = run(objective, mask, mean=mean)["bound"]
        gradients.append(tape.gradient(bound, mean).numpy())
    there, missing = gradients
    np.testing.assert_allclose(there, missing, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(missing[~mask], 0.0)
    assert np.abs(missing[mask]).max() > 0


@each_class
def test_closed_form_divergence_is_the_mean_of_the_samples(cls):
    """`elbo` and `stl` have one expectation, but for mixtures a gap."""

    def average(estimator):
        objective = make(cls, beta=0.5, estimator=estimator)
        values = run_often(objective, 400, seed=2)
        return np.mean(values, axis=0), np.std(values, axis=0) / 20

    closed, closed_error = average("elbo")
    sampled, sampled_error = average("stl")
    error = 5 * np.sqrt(closed_error**2 + sampled_error**2)
    if cls in MIXTURES:
        # A mixture diverges less than its components do on average.
        assert (sampled > closed - error).all()
    else:
        assert (np.abs(sampled - closed) < error).all()


@each_class
@pytest.mark.parametrize(
    ("estimator", "num_samples"), [("stl", 1), ("dreg", 8)]
)
def test_gradient_is_that_of_iwae(cls, estimator, num_samples):
    """Another estimator of one gradient, of mixtures as well."""

    def gradients(estimator):
        objective = make(
            cls, beta=0.7, estimator=estimator, num_samples=num_samples
        )

        experts = by_hand.experts(FULL, times=500)
        variables = tf.constant(experts.mean), tf.constant(experts.joint[0])
        with tf.GradientTape() as tape:
            tape.watch(variables)
            bound = objective(
                experts._replace(
                    mean=variables[0], joint=(variables[1], experts.joint[1])
                ),
                by_hand.log_likelihood(FULL, times=500),
                Noise(4, 0),
            )["bound"]
        # Of each example, by what the encoders say of it alone.
        gradient = tape.gradient(
            bound, variables[objective.needs_joint_encoder]
        ).numpy()
        shape = (*gradient.shape[:-2], 500, by_hand.BATCH, by_hand.DIM)
        gradient = np.moveaxis(gradient.reshape(shape), -3, 0)
        return np.reshape(bound, (500, by_hand.BATCH)), gradient

    value, iwae = gradients("iwae")
    same, other = gradients(estimator)
    np.testing.assert_allclose(same, value, rtol=1e-4)
    error = np.sqrt((iwae.var(0) + other.var(0)) / len(iwae))
    assert (np.abs(iwae.mean(0) - other.mean(0)) < 5 * error + 1e-3).all()
    if cls is not objectives.MMVAEPlus:  # That of the shared latent is iwae's.
        assert np.abs(iwae - other).max() > 0.1


@each_class
def test_more_samples_tighten_the_bound(cls):
    values = [
        run_often(
            make(cls, estimator="iwae", num_samples=num_samples), 40, seed=0
        ).mean()
        for num_samples in (1, 50)
    ]
    assert values[1] > values[0]


@each_class
@pytest.mark.parametrize("estimator", ["elbo", "dreg"])
def test_xla_computes_the_same(cls, estimator):
    objective = make(cls, beta=0.7, estimator=estimator)
    mean = tf.constant(MEAN)

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(mean)
            terms = run(objective, by_hand.PARTLY, mean=mean)
        return terms, tape.gradient(terms["bound"], mean)

    compiled = tf.function(compute, jit_compile=True, autograph=False)
    assert_close(compiled(), compute(), rtol=1e-4, atol=1e-5)


@each_class
@pytest.mark.parametrize("estimator", ["elbo", "iwae"])
def test_warm_up_multiplies_beta(cls, estimator):
    arguments = (
        by_hand.experts(FULL),
        by_hand.log_likelihood(FULL),
    )
    half = make(cls, beta=0.6, estimator=estimator)(
        *arguments, Noise(1, 0), kl_weight=0.5
    )
    plain = make(cls, beta=0.3, estimator=estimator)(*arguments, Noise(1, 0))
    np.testing.assert_allclose(half["bound"], plain["bound"], rtol=1e-6)
    weightless = make(cls, beta=0.0, estimator=estimator)
    other = weightless(*arguments, Noise(1, 0))
    assert (other["bound"] > plain["bound"]).numpy().any()


@each_class
def test_free_bits_cost_nothing(cls):
    objective = make(cls, beta=2.0, estimator="elbo")
    arguments = by_hand.experts(FULL), by_hand.log_likelihood(FULL), Noise(1, 0)
    plain = objective(*arguments[:2], Noise(1, 0))
    mean = tf.constant(MEAN)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        free = objective(
            by_hand.experts(FULL, mean=mean),
            lambda z, **_: 0.0 * arguments[1](z),
            Noise(1, 0),
            free_bits=100.0,
        )
    assert (free["bound"] < plain["bound"]).numpy().all()
    np.testing.assert_allclose(free["kl"], plain["kl"], rtol=1e-6)
    gradient = tape.gradient(free["bound"], mean)
    if cls not in (objectives.JMVAE, objectives.MVTCAE):
        # Nothing pulls to the prior. (These pull experts together as well.)
        assert gradient is None or np.abs(gradient).max() == 0


def test_free_bits_are_of_the_rows_that_are_there():
    """The mean of one row is its own: above, it has a gradient."""
    mean = tf.constant([[1.0], [0.0]])
    with tf.GradientTape() as tape:
        tape.watch(mean)
        plain, free = kl_with_free_bits(
            mean, tf.zeros((2, 1)), 0.4, tf.constant([True, False])
        )
        bound = -free[0]
    np.testing.assert_allclose(plain, [0.5, 0.0])
    np.testing.assert_allclose(bound, -0.5)
    np.testing.assert_allclose(tape.gradient(bound, mean), [[-1.0], [0.0]])
