"""What the objectives of multimodal variational autoencoders share."""

from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.ops.experts import fill_missing, mixture_log_prob
from keras_xmodal.ops.gaussian import (
    gaussian_kl,
    gaussian_log_prob,
    sample_gaussian,
)
from keras_xmodal.ops.importance import (
    iwae_bound,
    mixture_weights,
    normalized_weights,
    scale_gradient_later,
)
from keras_xmodal.ops.replicas import sum_over_replicas

ESTIMATORS = ("elbo", "iwae", "stl", "dreg")


@saving.register
class Objective:
    """Base of objectives: a joint posterior and a bound to maximise.

    A subclass says in `posterior` how the unimodal experts `q(z|x_m)` become
    the joint posterior `q(z|X)`, as a mixture of Gaussians, and in `elbo` what
    is maximised, with divergences in closed form. A new objective is those two
    methods. Where the integrand of `elbo` is not `log p(X|z) + beta (log p(z) -
    log q(z|X))`, it overrides `log_weights` as well.

    The four estimators maximise the same quantity:

    - `"elbo"`: one sample of each latent, divergences in closed form;
    - `"iwae"`: the importance-weighted bound over `num_samples` samples of
      each component of the posterior, which tightens with their number;
    - `"stl"`: "sticking the landing", one sample, whose gradient reaches the
      encoders through the sample only, and has less variance;
    - `"dreg"`: as `"iwae"`, with the doubly reparameterised gradient of less
      variance for the encoders. Of a mixture, whose K samples of one component
      are weighed among themselves, it takes the responsibilities of all the
      components into account, which makes it unbiased there, too.

    Args:
        beta: Float >= 0, the weight of the divergence from the prior. At 1,
            what is maximised is a lower bound of the log-likelihood, unless
            the class says otherwise.
        estimator: `"elbo"`, `"iwae"`, `"stl"` or `"dreg"`.
        num_samples: Positive integer K, for `"iwae"` and `"dreg"`.

    Call arguments:
        experts: Named tuple of what the encoders say: `mean`, `log_variance`
            of shape `(modalities, batch, dim)`, `mask`, boolean of shape
            `(modalities, batch)`, which modality is there, and `names`.
        log_likelihood: Function from latents `(..., batch, dim)` to
            `log p(X|z)` of shape `(modalities, ..., batch)`, weighted, and 0
            where the modality is missing. `needed`, a boolean array
            `(modalities, components)`, says which values are asked for, the
            others being 0; `frozen=True` stops gradients to the decoders;
            `private` are latents of each modality, `(modalities, ..., batch,
            private_dim)`.
        noise: Source of noise: `noise.stream(1).normal(shape)`, with other
            numbers for other uses.
        kl_weight: Scalar by which a warm-up multiplies `beta`.
        free_bits: Scalar, nats of each latent dimension that cost nothing,
            with the estimator `"elbo"`.

    Returns:
        Dict: `"bound"`, what is maximised, of shape `(batch,)`;
        `"log_likelihood"` of shape `(modalities, batch)`, under samples of
        `q(z|X)`; `"kl"`, the divergence of `q(z|X)` from the prior, of shape
        `(batch,)`, estimated from the samples where it has no closed form. In
        nats.

    Raises:
        ValueError: If an argument is out of range.
    """

    # Whether the model has to build an encoder of all modalities together.
    needs_joint_encoder = False
    # Size of the latents that each modality has for itself.
    private_dim = 0

    def __init__(
        self, beta: float = 1.0, estimator: str = "elbo", num_samples: int = 1
    ):
        self.beta = checks.not_negative("beta", beta)
        self.estimator = checks.one_of("estimator", estimator, ESTIMATORS)
        self.num_samples = checks.positive_integer("num_samples", num_samples)
        if num_samples > 1 and estimator in ("elbo", "stl"):
            raise ValueError(
                "`num_samples` must be 1 for the estimators 'elbo' and 'stl'. "
                f"Received: num_samples={num_samples}, estimator={estimator!r}"
            )

    # What a model has to build.

    def check_modalities(self, modalities):
        """Refuse modalities that the objective has no use for.

        Args:
            modalities: Tuple of names.

        Raises:
            ValueError: If a modality that it names is none of them.
        """

    def expert_modalities(self, modalities):
        """Those that need an expert `q(z|x_m)`."""
        return tuple(modalities)

    def generated_modalities(self, modalities):
        """Those that need a decoder."""
        return tuple(modalities)

    # What is maximised.

    def posterior(self, experts):
        """Join the experts.

        Args:
            experts: As for the call.

        Returns:
            The mixture `q(z|X)`: tuple of means and log-variances of shape
            `(components, batch, dim)` and a boolean tensor `(components,
            batch)`, which components an example has. All weigh the same.
        """
        raise NotImplementedError

    def training_posterior(self, experts):
        """What training samples from, where that is not `posterior`."""
        return self.posterior(experts)

    def prior(self, experts):
        """Mean and log-variance of the prior of `z`."""
        return 0.0, 0.0

    def elbo(self, experts, log_likelihood, noise, free_bits):
        """The objective's own bound, as the class describes it.

        Args:
            experts: As for the call.
            log_likelihood: As for the call.
            noise: As for the call.
            free_bits: As for the call.

        Returns:
            Dict of `"reconstruction"` and `"divergence"` of shape `(batch,)`;
            the bound is their difference, the divergence times `beta`; and of
            `"log_likelihood"` and `"kl"`, as the call returns them.
        """
        raise NotImplementedError

    def __call__(
        self, experts, log_likelihood, noise, kl_weight=1.0, free_bits=0.0
    ):
        beta = self.beta * kl_weight
        if self.estimator != "elbo":
            return self.importance_weighted(
                experts, log_likelihood, noise, beta
            )
        terms = self.elbo(experts, log_likelihood, noise, free_bits)
        bound = terms.pop("reconstruction") - beta * terms.pop("divergence")
        return {"bound": bound, **terms}

    def importance_weighted(self, experts, log_likelihood, noise, beta):
        """Importance-weighted bound, stratified over the components.

        `1/C sum_c E log 1/K sum_k p(X, z_ck) / q(z_ck|X)`, `z_ck ~ q_c`: the
        K samples of one component are weighed by the whole mixture.

        Reference:
            - Burda et al., 2016, https://arxiv.org/abs/1509.00519, eq. 8
            - Shi et al., 2019, https://arxiv.org/abs/1911.03393, eq. 3
        """
        posterior = self.training_posterior(experts)
        available = posterior[2]
        z, posterior, weigh = self.draw(
            posterior, noise.stream(1), mixture=True
        )
        values = log_likelihood(z)  # (modalities, samples, components, batch)
        log_weights, log_ratio = self.log_weights(
            values, z, posterior, experts, beta
        )
        gradient = weigh(log_weights, self.posterior_weight(experts, beta))
        bounds = iwae_bound(log_weights) + gradient
        return {
            "bound": mean_over_available(bounds, available),
            "kl": mean_over_available(-ops.mean(log_ratio, axis=0), available),
            "log_likelihood": mean_over_available(
                ops.moveaxis(ops.mean(values, axis=1), 1, 0),
                ops.expand_dims(available, 1),
            ),
        }

    def log_weights(self, values, z, posterior, experts, beta):
        """Integrand of the objective, whose mean over samples is `elbo`.

        Args:
            values: `log p(X|z)`, `(modalities, samples, components, batch)`.
            z: Samples of shape `(samples, components, batch, dim)`.
            posterior: As `posterior` returns it; constants for `"stl"` and
                `"dreg"`.
            experts: As for the call.
            beta: Scalar, weight of the divergence.

        Returns:
            Tuple of the integrand and of `log p(z) - log q(z|X)`, both of
            shape `(samples, components, batch)`, in nats.
        """
        log_ratio = gaussian_log_prob(z, *self.prior(experts))
        log_ratio = log_ratio - mixture_log_prob(z, *posterior)
        return ops.sum(values, axis=0) + beta * log_ratio, log_ratio

    def posterior_weight(self, experts, beta):
        """How much `-log q(z|X)` counts in `log_weights`."""
        return beta

    def draw(self, posterior, noise, mixture=False):
        """Draw `num_samples` samples of each component, reparameterised.

        Args:
            posterior: As `posterior` returns it.
            noise: A stream of the noise.
            mixture: Whether log-densities are those of the mixture, and not
                those of the component of each sample.

        Returns:
            Tuple of the samples `(samples, components, batch, dim)`; of the
            posterior that log-densities have to take, constant for `"stl"` and
            `"dreg"`; and of a function of the log-weights `(samples, ...)` and
            of how much `-log q` counts in them, to be called once they are
            known, which returns zeros of the shape `(...)` that have a part
            of the gradient.

        Reference:
            - Tucker et al., 2019, https://arxiv.org/abs/1810.04152, eq. 8,
              which is the case that `-log q` counts once
        """
        means, log_variances, *rest = posterior
        z = sample_gaussian(
            means,
            log_variances,
            noise.normal((self.num_samples, *ops.shape(means))),
        )
        if self.estimator == "iwae":
            return z, posterior, lambda log_weights, count: 0.0
        drawn = z
        z, set_scale = scale_gradient_later(drawn)
        constants = (
            ops.stop_gradient(means),
            ops.stop_gradient(log_variances),
            *rest,
        )

        def weigh(log_weights, count):
            if mixture and means.shape[0] > 1:
                scale, terms = _mixture_gradient(drawn, constants, log_weights)
                set_scale(1.0 - count * scale)
                return -count * (terms - ops.stop_gradient(terms))
            weights = normalized_weights(log_weights)
            set_scale(1.0 - count + count * weights)
            return 0.0

        return z, constants, weigh

    def log_marginal(self, experts, log_likelihood, noise, num_samples):
        """Estimate `log p(X)`: the mean over all components is in the log.

        Args:
            experts: As for the call.
            log_likelihood: As for the call.
            noise: As for the call.
            num_samples: Positive integer, samples from each component.

        Returns:
            Tensor of shape `(batch,)`, in nats.
        """
        means, log_variances, available = self.posterior(experts)
        shape = (num_samples, *ops.shape(means))
        latents = noise.stream(1).normal(shape)
        z = sample_gaussian(means, log_variances, latents)
        log_ratio = gaussian_log_prob(z, *self.prior(experts))
        log_ratio = log_ratio - mixture_log_prob(
            z, means, log_variances, available
        )
        log_weights = ops.sum(log_likelihood(z), axis=0) + log_ratio
        return log_mean_over_available(log_weights, available)


def _mixture_gradient(z, posterior, log_weights):
    """What replaces the gradient of `log q` of a mixture by its parameters.

    It is minus that of `sum_c r_c(z) W_c(z)` by each sample `z`, in which `r`
    are the responsibilities of the components and `W_c` is the weight of `z`
    among samples of component c: `sum_c W_c dr_c/dz`, and `dlog w/dz` times
    `sum_c r_c W_c (1 - W_c)`.

    Args:
        z: Samples of shape `(samples, components, batch, dim)`.
        posterior: Constants, as `Objective.posterior` returns it.
        log_weights: Tensor of shape `(samples, components, batch)`.

    Returns:
        Tuple of the factor of `dlog w/dz`, in the unit of the weight of a
        sample, of the shape of `log_weights`; and of terms `(components,
        batch)` whose gradient by `z` is the other part.
    """
    means, log_variances, available = posterior
    log_probs = gaussian_log_prob(
        z[:, None], means[:, None], log_variances[:, None]
    )  # (samples, components, components, batch)
    log_probs = ops.where(available[:, None], log_probs, -1e30)
    log_share = log_probs - ops.logsumexp(log_probs, axis=1, keepdims=True)
    own, log_weight, log_rest = mixture_weights(log_weights)
    terms = ops.sum(ops.exp(log_weight) * ops.exp(log_share), axis=(0, 1))
    # Where a sample weighs nothing among its own, there is no gradient.
    log_scale = log_share + log_weight + log_rest - own[:, None]
    scale = ops.sum(ops.exp(ops.minimum(log_scale, 60.0)), axis=1)
    return scale, terms


def mean_over_available(values, available):
    """Average over the first axis, where available; 0 where nothing is.

    Args:
        values: Tensor of shape `(components, ...)`.
        available: Boolean tensor that broadcasts to it.

    Returns:
        Tensor of the shape of `values` without the first axis.
    """
    total = ops.sum(ops.where(available, values, 0.0), axis=0)
    count = ops.sum(ops.cast(available, "float32"), axis=0)
    return total / ops.maximum(count, 1.0)


def log_mean_over_available(log_weights, available):
    """Log of the mean of weights over samples and available components.

    Args:
        log_weights: Tensor of shape `(samples, components, batch)`.
        available: Boolean tensor of shape `(components, batch)`.

    Returns:
        Tensor of shape `(batch,)`; 0 where no component is available.
    """
    log_weights = ops.where(available, log_weights, -1e30)
    num_samples = ops.cast(ops.shape(log_weights)[0], "float32")
    count = num_samples * ops.sum(ops.cast(available, "float32"), axis=0)
    log_mean = ops.logsumexp(log_weights, axis=(0, 1)) - ops.log(
        ops.maximum(count, 1.0)
    )
    return ops.where(count > 0, log_mean, 0.0)


def expert_log_prob(z, experts):
    """Log-density of samples under each expert, 0 where it is missing.

    Args:
        z: Tensor of shape `(samples, components, batch, dim)`.
        experts: `Experts`.

    Returns:
        Tensor of shape `(modalities, samples, components, batch)`, in nats.
    """
    mask = experts.mask[:, None, None]
    means, log_variances = fill_missing(
        experts.mean[:, None, None], experts.log_variance[:, None, None], mask
    )
    return ops.where(mask, gaussian_log_prob(z, means, log_variances), 0.0)


def kl_to_experts(mean, log_variance, experts):
    """Sum of the divergences of a Gaussian from the experts that are there.

    Args:
        mean: Tensor of shape `(batch, dim)`.
        log_variance: Tensor of that shape.
        experts: `Experts`.

    Returns:
        Tensor of shape `(batch,)`, in nats.
    """
    means, log_variances = fill_missing(
        experts.mean, experts.log_variance, experts.mask
    )
    kl = gaussian_kl(mean, log_variance, means, log_variances)
    return ops.sum(ops.where(experts.mask, kl, 0.0), axis=0)


def kl_with_free_bits(
    mean, log_variance, free_bits, available, prior=(0.0, 0.0)
):
    """Divergence from the prior, of which each dimension has some for free.

    A dimension whose divergence, a mean over the rows of the batch that are
    there, is below `free_bits` counts as `free_bits` and has no gradient.

    Args:
        mean: Tensor of shape `(..., batch, dim)`.
        log_variance: Tensor of that shape.
        free_bits: Scalar >= 0, in nats for each dimension.
        available: Boolean tensor of shape `(..., batch)`.
        prior: Mean and log-variance of the prior.

    Returns:
        Tuple of the divergence and of it with free bits, both of shape
        `(..., batch)`.

    Reference:
        - Kingma et al., 2016, https://arxiv.org/abs/1606.04934, eq. 15
    """
    parts = gaussian_kl(
        *(ops.expand_dims(x, -1) for x in (mean, log_variance)),
        *(ops.expand_dims(x, -1) for x in map(ops.convert_to_tensor, prior)),
    )  # (..., batch, dim)
    there = ops.expand_dims(ops.cast(available, "float32"), -1)
    total, count = sum_over_replicas(
        tuple(
            ops.sum(x, axis=-2, keepdims=True)
            for x in (there * ops.stop_gradient(parts), there)
        )
    )
    above = total > free_bits * count
    free = ops.where(above, parts, free_bits)
    return ops.sum(parts, axis=-1), ops.sum(free, axis=-1)
