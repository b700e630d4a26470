"""The triple bound: one of all modalities, one of each alone."""

import numpy as np
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.objectives.jmvae import joint_or_product, joint_posterior
from keras_xmodal.objectives.objective import Objective, kl_with_free_bits
from keras_xmodal.ops.experts import fill_missing
from keras_xmodal.ops.gaussian import gaussian_log_prob, sample_gaussian
from keras_xmodal.ops.importance import iwae_bound


@saving.register
class TELBO(Objective):
    """A joint encoder and experts, each with a bound of its own.

    `elbo` is `E_{q(z|X)} sum_m log p(x_m|z) - beta KL(q(z|X) || p)`, plus
    `gamma E_{q_m} log p(x_m|z) - beta KL(q_m || p)` for each modality m, in
    which the decoders learn nothing: the experts find their place in the space
    that the joint encoder makes. From all modalities, the trained model encodes
    with the joint encoder; from some of them, with the product of their
    experts.

    The rest is as in `Objective`.

    Args:
        gamma: Float >= 0, weight of the log-likelihood in the bounds of single
            modalities.

    Returns:
        Dict of `"bound"`, the sum, and of `"kl"` and `"log_likelihood"` of the
        bound of all modalities.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5}, 4, objective=kx.objectives.TELBO()
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        ```

    Reference:
        - Vedantam et al., 2018, https://arxiv.org/abs/1705.10762, eq. 4
    """

    needs_joint_encoder = True

    def __init__(
        self,
        beta: float = 1.0,
        estimator: str = "elbo",
        num_samples: int = 1,
        gamma: float = 1.0,
    ):
        super().__init__(beta, estimator, num_samples)
        self.gamma = checks.not_negative("gamma", gamma)

    def posterior(self, experts):
        return joint_or_product(experts)

    def training_posterior(self, experts):
        return joint_posterior(experts)

    def elbo(self, experts, log_likelihood, noise, free_bits):
        joint, single = noise.streams(2)
        mean, log_variance = experts.joint
        z = sample_gaussian(mean, log_variance, joint.normal(ops.shape(mean)))
        values = log_likelihood(z)
        kl, divergence = kl_with_free_bits(
            mean, log_variance, free_bits, ops.any(experts.mask, axis=0)
        )

        mean, log_variance = self._experts(experts)
        z = sample_gaussian(mean, log_variance, single.normal(ops.shape(mean)))
        alone = self._alone(log_likelihood, z)
        _, divergences = kl_with_free_bits(
            mean, log_variance, free_bits, experts.mask
        )
        divergences = ops.where(experts.mask, divergences, 0.0)
        return {
            "reconstruction": ops.sum(values + self.gamma * alone, axis=0),
            "divergence": divergence + ops.sum(divergences, axis=0),
            "kl": kl,
            "log_likelihood": values,
        }

    def importance_weighted(self, experts, log_likelihood, noise, beta):
        terms = super().importance_weighted(
            experts, log_likelihood, noise, beta
        )
        z, posterior, weigh = self.draw(self._experts(experts), noise.stream(2))
        alone = self._alone(log_likelihood, z)  # (samples, modalities, batch)
        log_ratio = gaussian_log_prob(z, 0.0, 0.0)
        log_ratio = log_ratio - gaussian_log_prob(z, *posterior)
        log_weights = self.gamma * alone + beta * log_ratio
        weigh(log_weights, beta)
        bounds = ops.where(experts.mask, iwae_bound(log_weights), 0.0)
        return {**terms, "bound": terms["bound"] + ops.sum(bounds, axis=0)}

    def _experts(self, experts):
        return fill_missing(experts.mean, experts.log_variance, experts.mask)

    def _alone(self, log_likelihood, z):
        """`log p(x_m|z_m)` of shape `(..., modalities, batch)`."""
        own = np.eye(z.shape[-3], dtype=bool)
        values = log_likelihood(z, needed=own, frozen=True)
        return ops.sum(values, axis=0)
