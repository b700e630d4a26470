"""The joint posterior as a product of the experts of the modalities."""

import keras
from keras import ops

from keras_xmodal.ops.experts import product_of_experts
from keras_xmodal.saving import register


def stack(tensors):
    """Stack a list of tensors; a tensor is stacked already."""
    if isinstance(tensors, (list, tuple)):
        return ops.stack(tensors, axis=0)
    return tensors


def joint_spec(means):
    """Mean and log-variance of one Gaussian for each example."""
    is_list = isinstance(means, (list, tuple))
    shape = means[0].shape if is_list else means.shape[1:]
    return tuple(keras.KerasTensor(shape, "float32") for _ in range(2))


@register
class ProductOfExperts(keras.layers.Layer):
    """Multiply Gaussian experts: the surer one counts for more.

    The precisions of the modalities that an example has, and of the standard
    normal prior, add up. The maths is float32 under every dtype policy.

    Args:
        prior: Whether the standard normal prior is one of the experts.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        means: List of tensors of shape `(batch, dim)`, one for each expert, or
            one tensor of shape `(experts, batch, dim)`.
        log_variances: The same for the log-variances.
        mask: Optional list of boolean tensors of shape `(batch,)`, or tensor
            of shape `(experts, batch)`, false where an expert is missing. What
            it says then, NaN too, changes nothing.

    Returns:
        Tuple of float32 tensors `(mean, log_variance)`, both of shape
        `(batch, dim)`; the standard normal where no expert is left.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        image, text = np.full((1, 2), 1.0), np.full((1, 2), 3.0)
        unsure, sure = np.zeros((1, 2)), np.full((1, 2), -2.0)
        layer = kx.layers.ProductOfExperts(prior=False)
        mean, log_variance = layer([image, text], [unsure, sure])
        print(mean)  # [[2.76, 2.76]]
        ```

    Reference:
        - Wu and Goodman, 2018, https://arxiv.org/abs/1802.05335, section 2.2
    """

    def __init__(self, prior: bool = True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.prior = prior
        self.built = True
        # Keras warns where a layer ends a mask that it does not know.
        self.supports_masking = True

    def call(self, means, log_variances, mask=None):
        return product_of_experts(
            stack(means), stack(log_variances), stack(mask), self.prior
        )

    def compute_mask(self, means, previous_mask):
        """None: what is joint is there."""
        return

    def compute_output_spec(self, means, log_variances, mask=None):
        return joint_spec(means)
