"""The product of experts."""

import numpy as np
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.objectives.objective import Objective, kl_with_free_bits
from keras_xmodal.ops.experts import product_of_experts
from keras_xmodal.ops.gaussian import gaussian_log_prob, sample_gaussian
from keras_xmodal.ops.importance import iwae_bound


@saving.register
class MVAE(Objective):
    """Product of experts, with the prior as one of them.

    `q_S(z|X) ~ p(z) prod_{m in S} q_m(z|x_m)`. `elbo` is the sum of `sum_{m in
    S} E_{q_S} log p(x_m|z) - beta KL(q_S || p)` over the set of all modalities,
    each modality alone, so that every expert learns to speak for itself, and
    random subsets: a sum of bounds, of which the first is one of `log p(X)`.
    The other estimators sum the importance-weighted bounds of the same sets.

    The rest is as in `Objective`.

    Args:
        num_subsets: Non-negative integer, random subsets of each example.

    Returns:
        Dict of `"bound"`, `"kl"` and `"log_likelihood"`; the last two are of
        the set of all modalities.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5}, 4, objective=kx.objectives.MVAE()
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        ```

    Reference:
        - Wu and Goodman, 2018, https://arxiv.org/abs/1802.05335, eq. 4
    """

    def __init__(
        self,
        beta: float = 1.0,
        estimator: str = "elbo",
        num_samples: int = 1,
        num_subsets: int = 0,
    ):
        super().__init__(beta, estimator, num_samples)
        self.num_subsets = checks.integer("num_subsets", num_subsets, least=0)

    def posterior(self, experts):
        mean, log_variance = product_of_experts(
            experts.mean, experts.log_variance, experts.mask
        )
        available = ops.any(experts.mask, axis=0, keepdims=True)
        return mean[None], log_variance[None], available

    def elbo(self, experts, log_likelihood, noise, free_bits):
        subsets, needed, latents = self._subsets(experts.mask, noise)
        available = ops.any(subsets, axis=0)  # Subsets may be empty.
        mean, log_variance = self._products(experts, subsets)
        z = sample_gaussian(mean, log_variance, latents.normal(ops.shape(mean)))
        values = log_likelihood(z, needed=needed)
        kl, divergence = kl_with_free_bits(
            mean, log_variance, free_bits, available
        )
        return {
            "reconstruction": ops.sum(
                ops.where(subsets, values, 0.0), axis=(0, 1)
            ),
            "divergence": ops.sum(
                ops.where(available, divergence, 0.0), axis=0
            ),
            "kl": kl[0],
            "log_likelihood": values[:, 0],
        }

    def importance_weighted(self, experts, log_likelihood, noise, beta):
        subsets, needed, latents = self._subsets(experts.mask, noise)
        z, posterior, weigh = self.draw(
            self._products(experts, subsets), latents
        )
        values = log_likelihood(z, needed=needed)
        log_ratio = gaussian_log_prob(z, 0.0, 0.0) - gaussian_log_prob(
            z, *posterior
        )  # (samples, subsets, batch)
        log_weights = beta * log_ratio + ops.sum(
            ops.where(subsets[:, None], values, 0.0), axis=0
        )
        weigh(log_weights, beta)
        return {
            "bound": ops.sum(iwae_bound(log_weights), axis=0),
            "kl": -ops.mean(log_ratio[:, 0], axis=0),
            "log_likelihood": ops.mean(values[:, :, 0], axis=1),
        }

    def _subsets(self, mask, noise):
        """All together, each alone, some at random; of those that are there.

        Returns them, `(modalities, subsets, batch)`, `(modalities, subsets)`:
        whether any example may have the modality in the subset, and the
        stream of the latents.
        """
        num_modalities = mask.shape[0]
        fixed = np.ones((num_modalities, 1), bool)
        if num_modalities > 1:
            fixed = np.hstack([fixed, np.eye(num_modalities, dtype=bool)])
        random = np.ones((num_modalities, self.num_subsets), bool)
        subsets = ops.logical_and(fixed[:, :, None], mask[:, None])
        *drawn, latents = noise.streams(1 + bool(self.num_subsets))
        if self.num_subsets:
            shape = (*random.shape, ops.shape(mask)[1])
            drawn = drawn[0].uniform(shape) < 0.5
            drawn = ops.logical_and(drawn, mask[:, None])
            subsets = ops.concatenate([subsets, drawn], axis=1)
        return subsets, np.hstack([fixed, random]), latents

    def _products(self, experts, subsets):
        return product_of_experts(
            experts.mean[:, None], experts.log_variance[:, None], subsets
        )
