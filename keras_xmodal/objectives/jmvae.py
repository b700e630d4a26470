"""The joint encoder that unimodal experts imitate."""

from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.objectives.objective import (
    Objective,
    expert_log_prob,
    kl_to_experts,
    kl_with_free_bits,
)
from keras_xmodal.ops.experts import mixture_log_prob, product_of_experts
from keras_xmodal.ops.gaussian import gaussian_log_prob, sample_gaussian


@saving.register
class JMVAE(Objective):
    """An encoder of all modalities together, and experts that imitate it.

    `elbo` is `E_{q(z|X)} sum_m log p(x_m|z) - beta [KL(q(z|X) || p) + alpha
    sum_m KL(q(z|X) || q_m(z|x_m))]`, where `q(z|X)` is a network of its own on
    the features of all modalities. From all modalities, the trained model
    encodes with that network; from some of them, with the product of their
    experts.

    With `beta = 1`, `elbo` is a lower bound of `log p(X)`. Several samples of
    `"iwae"` or `"dreg"` tighten what includes the imitation, which is then no
    lower bound unless `alpha` is 0.

    The rest is as in `Objective`.

    Args:
        alpha: Float >= 0, weight of the imitation.

    Returns:
        Dict of `"bound"`, `"kl"` (from the prior) and `"log_likelihood"`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5}, 4, objective=kx.objectives.JMVAE()
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        ```

    Reference:
        - Suzuki et al., 2016, https://arxiv.org/abs/1611.01891, eq. 7
    """

    needs_joint_encoder = True

    def __init__(
        self,
        beta: float = 1.0,
        estimator: str = "elbo",
        num_samples: int = 1,
        alpha: float = 0.1,
    ):
        super().__init__(beta, estimator, num_samples)
        self.alpha = checks.not_negative("alpha", alpha)

    def posterior(self, experts):
        return joint_or_product(experts)

    def elbo(self, experts, log_likelihood, noise, free_bits):
        mean, log_variance = experts.joint
        latents = noise.stream(1).normal(ops.shape(mean))
        z = sample_gaussian(mean, log_variance, latents)
        values = log_likelihood(z)
        kl, divergence = kl_with_free_bits(
            mean, log_variance, free_bits, ops.any(experts.mask, axis=0)
        )
        imitation = kl_to_experts(mean, log_variance, experts)
        return {
            "reconstruction": ops.sum(values, axis=0),
            "divergence": divergence + self.alpha * imitation,
            "kl": kl,
            "log_likelihood": values,
        }

    def training_posterior(self, experts):
        return joint_posterior(experts)

    def log_weights(self, values, z, posterior, experts, beta):
        log_q = mixture_log_prob(z, *posterior)
        log_ratio = gaussian_log_prob(z, 0.0, 0.0) - log_q
        count = ops.sum(ops.cast(experts.mask, "float32"), axis=0)
        imitation = ops.sum(expert_log_prob(z, experts), axis=0) - count * log_q
        ratio = log_ratio + self.alpha * imitation
        return ops.sum(values, axis=0) + beta * ratio, log_ratio

    def posterior_weight(self, experts, beta):
        count = ops.sum(ops.cast(experts.mask, "float32"), axis=0)
        return beta * (1 + self.alpha * count)


def joint_posterior(experts):
    """Joint encoder, whatever is missing.

    Args:
        experts: `Experts` with a joint one.

    Returns:
        Mixture of one component, as `Objective.posterior` returns it.
    """
    mean, log_variance = experts.joint
    available = ops.any(experts.mask, axis=0, keepdims=True)
    return mean[None], log_variance[None], available


def joint_or_product(experts):
    """Joint encoder where no modality is missing, else product of experts.

    Args:
        experts: `Experts` with a joint one.

    Returns:
        Mixture of one component, as `Objective.posterior` returns it.
    """
    product = product_of_experts(
        experts.mean, experts.log_variance, experts.mask, prior=False
    )
    complete = ops.all(experts.mask, axis=0)[:, None]
    mean, log_variance = (
        ops.where(complete, joint, part)
        for joint, part in zip(experts.joint, product, strict=True)
    )
    available = ops.any(experts.mask, axis=0, keepdims=True)
    return mean[None], log_variance[None], available
