"""One modality, given the others."""

from keras import ops

from keras_xmodal import saving
from keras_xmodal.objectives.objective import Objective, kl_with_free_bits
from keras_xmodal.ops.experts import product_of_experts
from keras_xmodal.ops.gaussian import sample_gaussian


@saving.register
class CVAE(Objective):
    """Generate one modality, given the others.

    With `x` the target and `c` the conditions, `elbo` is `E_{q(z|x,c)} log
    p(x|z,c) - beta KL(q(z|x,c) || p(z|c))`. The prior `p(z|c)` is the product
    of the conditions' experts. The decoder of the target takes `z` and the
    features of the conditions, joined: `(batch, latent_dim + features)`. The
    conditions themselves have no decoder.

    The rest is as in `Objective`.

    Args:
        target: Name of the modality to generate.

    Returns:
        Dict of `"bound"`, a bound of `log p(x|c)`, `"kl"` (from `p(z|c)`) and
        `"log_likelihood"`.

    Raises:
        ValueError: If an argument is out of range, or the model lacks the
            target or has no other modality.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel(
            {"image": 8, "text": 5}, 4, objective=kx.objectives.CVAE("image")
        )
        model.compile("adam")
        model.fit(x, verbose=0)
        image = model.translate({"text": x["text"]}, to="image")
        ```

    Reference:
        - Sohn et al., 2015,
          https://papers.nips.cc/paper/5775-learning-structured-output-representation-using-deep-conditional-generative-models,
          eq. 4
    """

    needs_joint_encoder = True

    def __init__(
        self,
        target: str,
        beta: float = 1.0,
        estimator: str = "elbo",
        num_samples: int = 1,
    ):
        super().__init__(beta, estimator, num_samples)
        self.target = target

    def check_modalities(self, modalities):
        if self.target not in modalities or len(modalities) < 2:
            raise ValueError(
                "`target` must be one of at least two modalities of the "
                f"model. Received: target={self.target!r}, modalities "
                f"{list(modalities)}"
            )

    def expert_modalities(self, modalities):
        return tuple(name for name in modalities if name != self.target)

    def generated_modalities(self, modalities):
        return (self.target,)

    def posterior(self, experts):
        target = self._has_target(experts)[:, None]
        mean, log_variance = (
            ops.where(target, joint, prior)
            for joint, prior in zip(
                experts.joint, self.prior(experts), strict=True
            )
        )
        available = ops.any(experts.mask, axis=0, keepdims=True)
        return mean[None], log_variance[None], available

    def prior(self, experts):
        conditions = ops.convert_to_tensor(
            [[name != self.target] for name in experts.names]
        )
        return product_of_experts(
            experts.mean,
            experts.log_variance,
            ops.logical_and(experts.mask, conditions),
            prior=False,
        )

    def elbo(self, experts, log_likelihood, noise, free_bits):
        mean, log_variance = (x[0] for x in self.posterior(experts)[:2])
        latents = noise.stream(1).normal(ops.shape(mean))
        z = sample_gaussian(mean, log_variance, latents)
        values = log_likelihood(z)
        has_target = self._has_target(experts)
        kl, divergence = kl_with_free_bits(
            mean, log_variance, free_bits, has_target, self.prior(experts)
        )
        return {
            "reconstruction": ops.sum(values, axis=0),
            # Without the target there is nothing to learn.
            "divergence": ops.where(has_target, divergence, 0.0),
            "kl": kl,
            "log_likelihood": values,
        }

    def _has_target(self, experts):
        return experts.mask[experts.names.index(self.target)]
