"""The mixture of products of experts."""

from keras import ops

from keras_xmodal import saving
from keras_xmodal.objectives.objective import (
    Objective,
    kl_with_free_bits,
    mean_over_available,
)
from keras_xmodal.ops.experts import (
    all_subsets,
    product_of_subsets,
    select_component,
)
from keras_xmodal.ops.gaussian import sample_gaussian


@saving.register
class MoPoE(Objective):
    """Mixture of products of experts: every subset of the modalities.

    `q(z|X) = 1/|P| sum_S PoE_S`, over all non-empty subsets `S` of the
    modalities that an example has; the prior is an expert in the set of all
    modalities, as in the authors' code. `elbo` is `sum_m E_q log p(x_m|z) -
    beta 1/|P| sum_S KL(PoE_S || p)`: each example draws one subset, so that a
    step decodes once, and all the divergences are exact.

    The rest is as in `Objective`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5}, 4, objective=kx.objectives.MoPoE(beta=0.5)
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        ```

    Reference:
        - Sutter et al., 2021, https://arxiv.org/abs/2105.02470, eq. 4 and 8
    """

    def posterior(self, experts):
        num_modalities = experts.mean.shape[0]
        subsets = all_subsets(num_modalities)
        return product_of_subsets(
            experts.mean,
            experts.log_variance,
            experts.mask,
            subsets,
            prior=subsets.all(axis=1) & (num_modalities > 1),
        )

    def elbo(self, experts, log_likelihood, noise, free_bits):
        component, latents = noise.streams(2)
        means, log_variances, available = self.posterior(experts)
        shape = ops.shape(means)[1:]
        mean, log_variance = select_component(
            component.uniform(shape[:1]), means, log_variances, available
        )
        z = sample_gaussian(mean, log_variance, latents.normal(shape))
        values = log_likelihood(z)
        kl, divergence = kl_with_free_bits(
            means, log_variances, free_bits, available
        )
        return {
            "reconstruction": ops.sum(values, axis=0),
            "divergence": mean_over_available(divergence, available),
            "kl": mean_over_available(kl, available),
            "log_likelihood": values,
        }
