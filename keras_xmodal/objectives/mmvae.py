"""The mixture of experts."""

from keras import ops

from keras_xmodal import saving
from keras_xmodal.objectives.objective import (
    Objective,
    kl_with_free_bits,
    mean_over_available,
)
from keras_xmodal.ops.experts import fill_missing
from keras_xmodal.ops.gaussian import sample_gaussian


@saving.register
class MMVAE(Objective):
    """Mixture of experts: each modality alone explains all of them.

    `q(z|X) = 1/M sum_m q_m(z|x_m)`. The objective is the importance-weighted
    bound with K samples from each expert,
    `1/M sum_m E log 1/K sum_k p(X, z_mk) / q(z_mk|X)`. With the estimator
    `"elbo"` it is `1/M sum_m [E_{q_m} log p(X|z) - beta KL(q_m || p)]`, which
    is a looser bound.

    The rest is as in `Objective`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5}, 4, objective=kx.objectives.MMVAE()
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        ```

    Reference:
        - Shi et al., 2019, https://arxiv.org/abs/1911.03393, eq. 3
    """

    def __init__(
        self, beta: float = 1.0, estimator: str = "iwae", num_samples: int = 1
    ):
        super().__init__(beta, estimator, num_samples)

    def posterior(self, experts):
        filled = fill_missing(experts.mean, experts.log_variance, experts.mask)
        return *filled, experts.mask

    def elbo(self, experts, log_likelihood, noise, free_bits):
        mean, log_variance, mask = self.posterior(experts)
        latents = noise.stream(1).normal(ops.shape(mean))
        z = sample_gaussian(mean, log_variance, latents)
        values = log_likelihood(z)  # (modalities, experts, batch)
        values = mean_over_available(
            ops.moveaxis(values, 1, 0), ops.expand_dims(mask, 1)
        )
        kl, divergence = kl_with_free_bits(mean, log_variance, free_bits, mask)
        return {
            "reconstruction": ops.sum(values, axis=0),
            "divergence": mean_over_available(divergence, mask),
            "kl": mean_over_available(kl, mask),
            "log_likelihood": values,
        }
