"""The sigmoid contrastive loss of SigLIP."""

import keras
from keras import ops

from keras_xmodal import saving
from keras_xmodal.losses.contrastive_loss import ContrastiveLoss
from keras_xmodal.ops import contrastive


@saving.register
class SigmoidContrastive(ContrastiveLoss):
    """One binary question a pair: do these two describe the same item?

    `1/B (sum softplus(z) - sum_P z)` with `z = t * I T^T + b`. Rows and
    columns give the same sum, so there is nothing to symmetrise. Weights are
    those of pairs, negative ones too: from weights `w` of examples, a pair has
    `(w_i + w_j) / 2` where both are above 0, and else 0. B is then the sum of
    the weights of the anchors that have a positive: the negatives of the others
    count as well, whichever side they are on. A model starts at `t = 10`,
    `b = -10`, where nearly all pairs are negative; at a small batch size B,
    `b = -log(B - 1)` is the calibrated start.

    The rest is as in `ContrastiveLoss`.

    Returns:
        Scalar, in nats per anchor.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        loss = kx.losses.SigmoidContrastive()
        print(loss(np.arange(4), np.zeros((4, 4), "float32")))  # 4 log 2
        ```

    Reference:
        - Zhai et al., 2023, https://arxiv.org/abs/2303.15343, algorithm 1
    """

    initial_temperature = 0.1
    initial_bias = -10.0

    def __init__(
        self,
        reduction: str = "mean_with_sample_weight",
        name: str = "sigmoid_contrastive",
        dtype: str | keras.DTypePolicy | None = None,
        chunk_size: int | str | None = "auto",
    ):
        super().__init__(
            symmetric=False,
            reduction=reduction,
            name=name,
            dtype=dtype,
            chunk_size=chunk_size,
        )

    def anchor_loss(self, positives, logits, mask):
        return contrastive.sigmoid_contrastive(positives, logits, mask)

    def _mask(self, weights):
        return weights

    @property
    def _sees_both(self):
        return True

    def _reduced(self, directions, y_true, y_pred):
        loss = keras.losses.Loss.__call__(self, y_true, y_pred)
        if self.reduction != "mean_with_sample_weight":
            return loss
        # So far it is a mean over rows.
        pairs, opposite = directions
        anchors = ops.sum(pairs.anchor_weights())
        if pairs.ids is not None and pairs.are_weighted:
            candidates = ops.sum(opposite.anchor_weights())
            anchors = 0.5 * (anchors + candidates)
        rows = ops.cast(ops.shape(y_pred)[0], "float32")
        return ops.divide_no_nan(loss * rows, anchors)

    def _factors(self, weights):
        """As anchor of either side."""
        present = ops.cast(weights > 0, "float32")
        return (
            ops.stack([0.5 * weights, 0.5 * present], axis=1),
            ops.stack([present, weights], axis=1),
        )
