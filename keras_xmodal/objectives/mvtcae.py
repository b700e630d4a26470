"""The total-correlation autoencoder."""

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
class MVTCAE(Objective):
    """Product of experts that each expert has to predict.

    `q(z|X) ~ prod_m q_m(z|x_m)`, without the prior as an expert. With M
    modalities, `elbo` is `(M - a)/M E_q sum_m log p(x_m|z) - beta [(1 - a)
    KL(q || p) + a/M sum_m KL(q || q_m)]`: the second divergence, a conditional
    information bottleneck, pulls the experts together. Of an example with
    missing modalities, M counts those that are there. With `alpha` above 0 it
    is no lower bound of `log p(X)`, at no `beta`: `log_likelihood` of the model
    estimates that.

    The rest is as in `Objective`.

    Args:
        alpha: Float in [0, 1), the share of the second divergence.

    Returns:
        Dict of `"bound"`, `"kl"` (from the prior) and `"log_likelihood"`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5}, 4, objective=kx.objectives.MVTCAE(beta=2.5)
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        ```

    Reference:
        - Hwang et al., 2021,
          https://proceedings.neurips.cc/paper/2021/hash/65a99bb7a3115fdede20da98b08a370f-Abstract.html
    """

    def __init__(
        self,
        beta: float = 1.0,
        estimator: str = "elbo",
        num_samples: int = 1,
        alpha: float = 5 / 6,
    ):
        super().__init__(beta, estimator, num_samples)
        self.alpha = checks.in_range("alpha", alpha, 0, 1, "[)")

    def posterior(self, experts):
        mean, log_variance = product_of_experts(
            experts.mean, experts.log_variance, experts.mask, prior=False
        )
        available = ops.any(experts.mask, axis=0, keepdims=True)
        return mean[None], log_variance[None], available

    def elbo(self, experts, log_likelihood, noise, free_bits):
        mean, log_variance = (x[0] for x in self.posterior(experts)[:2])
        latents = noise.stream(1).normal(ops.shape(mean))
        z = sample_gaussian(mean, log_variance, latents)
        values = log_likelihood(z)
        kl, divergence = kl_with_free_bits(
            mean, log_variance, free_bits, ops.any(experts.mask, axis=0)
        )
        to_experts = kl_to_experts(mean, log_variance, experts)
        share = self._share(experts)
        return {
            "reconstruction": (1 - share) * ops.sum(values, axis=0),
            "divergence": (1 - self.alpha) * divergence + share * to_experts,
            "kl": kl,
            "log_likelihood": values,
        }

    def log_weights(self, values, z, posterior, experts, beta):
        share = self._share(experts)
        log_q = mixture_log_prob(z, *posterior)
        log_ratio = gaussian_log_prob(z, 0.0, 0.0) - log_q
        count = ops.sum(ops.cast(experts.mask, "float32"), axis=0)
        to_experts = (
            ops.sum(expert_log_prob(z, experts), axis=0) - count * log_q
        )
        ratio = (1 - self.alpha) * log_ratio + share * to_experts
        return (1 - share) * ops.sum(values, axis=0) + beta * ratio, log_ratio

    def _share(self, experts):
        """`a/M`, of shape `(batch,)`."""
        count = ops.sum(ops.cast(experts.mask, "float32"), axis=0)
        return self.alpha / ops.maximum(count, 1.0)
