"""The joint posterior as a mixture of the experts of the modalities."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.product_of_experts import joint_spec, stack
from keras_xmodal.layers.saved_seed_generator import SavedSeedGenerator
from keras_xmodal.ops.experts import select_component
from keras_xmodal.saving import register


@register
class MixtureOfExperts(SavedSeedGenerator, keras.layers.Layer):
    """Choose one Gaussian expert for each example, at random.

    A mixture is no Gaussian, so it has no mean and variance to return: the
    layer draws the component, and `GaussianSampling` after it makes the two a
    sample of the mixture of the modalities that the example has, all of one
    weight. Both draw in training and in inference alike. The density of the
    mixture is `keras_xmodal.ops.mixture_log_prob`. The maths is float32 under
    every dtype policy.

    Args:
        seed: Integer, or `None` for another start each time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        means: List of tensors of shape `(batch, dim)`, one for each expert, or
            one tensor of shape `(experts, batch, dim)`.
        log_variances: The same for the log-variances.
        mask: Optional list of boolean tensors of shape `(batch,)`, or tensor
            of shape `(experts, batch)`, false where an expert is missing. It is
            not chosen then.

    Returns:
        Tuple of float32 tensors `(mean, log_variance)` of the chosen experts,
        both of shape `(batch, dim)`; the standard normal where no expert is
        left.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        image, text = np.full((6, 2), 1.0), np.full((6, 2), 3.0)
        log_variance = np.zeros((6, 2))
        layer = kx.layers.MixtureOfExperts(seed=1)
        mean, log_variance = layer([image, text], [log_variance, log_variance])
        z = kx.layers.GaussianSampling(seed=2)([mean, log_variance])
        print(mean[:, 0])  # 1 or 3
        ```

    Reference:
        - Shi et al., 2019, https://arxiv.org/abs/1911.03393, section 3
    """

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.seed = checks.seed(seed, optional=True)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True
        # Keras warns where a layer ends a mask that it does not know.
        self.supports_masking = True

    def call(self, means, log_variances, mask=None):
        means, log_variances = stack(means), stack(log_variances)
        uniform = keras.random.uniform(
            (ops.shape(means)[1],), dtype="float32", seed=self.seed_generator
        )
        return select_component(uniform, means, log_variances, stack(mask))

    def compute_mask(self, means, previous_mask):
        """None: what is joint is there."""
        return

    def compute_output_spec(self, means, log_variances, mask=None):
        return joint_spec(means)
