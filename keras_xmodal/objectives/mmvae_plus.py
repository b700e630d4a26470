"""A shared latent, and one that each modality has for itself."""

import numpy as np
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.objectives.objective import (
    Objective,
    kl_with_free_bits,
    log_mean_over_available,
    mean_over_available,
)
from keras_xmodal.ops.experts import fill_missing, mixture_log_prob
from keras_xmodal.ops.gaussian import gaussian_log_prob, sample_gaussian
from keras_xmodal.ops.importance import iwae_bound


@saving.register
class MMVAEPlus(Objective):
    """Mixture of experts with shared and private latents.

    The latent is `z = (u, w_1, ..., w_M)`: `u` is shared, `w_m` belongs to
    modality m, and its decoder takes `(u, w_m)` joined, of size `latent_dim +
    private_dim`. The objective is the importance-weighted bound

    `1/M sum_m E log 1/K sum_k p(x_m|u,w_m) prod_{n != m} p(x_n|u,v_n)
    [p(u) p(w_m) / (q(u|X) q_m(w_m|x_m))]^beta`

    with `u, w_m ~ q_m` and `q(u|X) = 1/M sum_m q_m(u|x_m)`. In the place of
    another modality's private latent stands `v_n` from an auxiliary prior of a
    learned scale: what is private does not leak into `u`. It is a lower bound
    of `log p(X)` where that scale is 1, as at the start. The estimator `"elbo"`
    is the looser bound with closed-form divergences of each `q_m`; with
    `"dreg"` and several samples, the gradient by `u` is that of `"iwae"`.

    Translations take 0, the mean of its prior, for the private latent of the
    target; `translate(..., latent="sample")` draws it.

    The rest is as in `Objective`.

    Args:
        private_dim: Positive integer, size of each private latent.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5},
            latent_dim=4,
            objective=kx.objectives.MMVAEPlus(private_dim=2),
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        ```

    Reference:
        - Palumbo et al., 2023, https://openreview.net/forum?id=sdQGxouELX,
          eq. 5
    """

    def __init__(
        self,
        private_dim: int = 16,
        beta: float = 1.0,
        estimator: str = "iwae",
        num_samples: int = 1,
    ):
        super().__init__(beta, estimator, num_samples)
        self.private_dim = checks.positive_integer("private_dim", private_dim)

    def posterior(self, experts):
        filled = fill_missing(experts.mean, experts.log_variance, experts.mask)
        return *filled, experts.mask

    def elbo(self, experts, log_likelihood, noise, free_bits):
        shared, private, auxiliary = noise.streams(3)
        mean, log_variance, mask = self.posterior(experts)
        z = sample_gaussian(mean, log_variance, shared.normal(ops.shape(mean)))
        own = self._private(experts)
        w = sample_gaussian(*own, private.normal(ops.shape(own[0])))
        w = self._own_or_auxiliary(w[None], experts, auxiliary)
        values = log_likelihood(z, private=w[:, 0])
        values = mean_over_available(
            ops.moveaxis(values, 1, 0), ops.expand_dims(mask, 1)
        )
        shared = kl_with_free_bits(mean, log_variance, free_bits, mask)
        private = kl_with_free_bits(*own, free_bits, mask)
        kl, divergence = (
            mean_over_available(a + b, mask)
            for a, b in zip(shared, private, strict=True)
        )
        return {
            "reconstruction": ops.sum(values, axis=0),
            "divergence": divergence,
            "kl": kl,
            "log_likelihood": values,
        }

    def importance_weighted(self, experts, log_likelihood, noise, beta):
        available = experts.mask
        shared, private, auxiliary = noise.streams(3)
        # What `u` weighs among the samples of another expert would take other
        # private latents: of several, its gradient is that of "iwae".
        posterior = self.posterior(experts)
        if self.num_samples > 1:
            noise = shared.normal((self.num_samples, *ops.shape(posterior[0])))
            z = sample_gaussian(*posterior[:2], noise)
        else:
            z, posterior, weigh = self.draw(posterior, shared)
        w, own, weigh_private = self.draw(self._private(experts), private)
        values = log_likelihood(
            z, private=self._own_or_auxiliary(w, experts, auxiliary)
        )  # (modalities, samples, experts, batch)
        log_ratio = (
            gaussian_log_prob(z, 0.0, 0.0)
            - mixture_log_prob(z, *posterior)
            + gaussian_log_prob(w, 0.0, 0.0)
            - gaussian_log_prob(w, *own)
        )
        log_weights = ops.sum(values, axis=0) + beta * log_ratio
        if self.num_samples == 1:
            weigh(log_weights, beta)
        weigh_private(log_weights, beta)
        return {
            "bound": mean_over_available(iwae_bound(log_weights), available),
            "kl": mean_over_available(-ops.mean(log_ratio, axis=0), available),
            "log_likelihood": mean_over_available(
                ops.moveaxis(ops.mean(values, axis=1), 1, 0),
                ops.expand_dims(available, 1),
            ),
        }

    def log_marginal(self, experts, log_likelihood, noise, num_samples):
        shared, private = noise.streams(2)
        means, log_variances, available = self.posterior(experts)
        shape = (num_samples, *ops.shape(means))
        z = sample_gaussian(means, log_variances, shared.normal(shape))
        # Every modality's own private latent, for each sample of the shared.
        own = [x[:, None, None] for x in self._private(experts)]
        shape = (
            *(ops.shape(means)[0], *shape[:-1]),
            self.private_dim,
        )
        w = sample_gaussian(*own, private.normal(shape))
        ratios = gaussian_log_prob(w, 0.0, 0.0) - gaussian_log_prob(w, *own)
        log_weights = (
            ops.sum(log_likelihood(z, private=w) + ratios, axis=0)
            + gaussian_log_prob(z, 0.0, 0.0)
            - mixture_log_prob(z, means, log_variances, available)
        )
        return log_mean_over_available(log_weights, available)

    def _private(self, experts):
        """`q_m(w_m|x_m)`, the prior where the modality is missing."""
        mean, log_variance, _ = experts.private
        return fill_missing(mean, log_variance, experts.mask)

    def _own_or_auxiliary(self, w, experts, noise):
        """Private latent for each decoder, where each expert gave the sample.

        Args:
            w: Samples of each modality's own, `(samples, modalities, batch,
                private_dim)`.
            experts: `Experts`.
            noise: Source of noise.

        Returns:
            Tensor of shape `(modalities, samples, modalities, batch,
            private_dim)`: decoders first, experts third.
        """
        num_modalities = w.shape[1]
        prior = experts.private[2][:, None, None]
        shape = (num_modalities, *ops.shape(w))
        auxiliary = sample_gaussian(0.0, prior, noise.normal(shape))
        own = np.eye(num_modalities, dtype=bool)[:, None, :, None, None]
        return ops.where(own, w[None], auxiliary)
