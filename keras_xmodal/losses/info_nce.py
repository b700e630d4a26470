"""The softmax contrastive loss of CLIP."""

import keras

from keras_xmodal import saving
from keras_xmodal.losses.contrastive_loss import ContrastiveLoss
from keras_xmodal.ops import contrastive
from keras_xmodal.ops.chunked_info_nce import chunked_info_nce


@saving.register
class InfoNCE(ContrastiveLoss):
    """Cross-entropy of each anchor against its positives, both directions.

    `1/2 (CE(rows of z) + CE(columns of z))` with `z = t * I T^T`. With
    uniform logits it is `log(candidates)`. Several positives of one anchor
    share its probability (supervised contrastive form).

    So the least loss of an anchor with `K` positives in its batch is `log(K)`,
    not 0. Where an item has several captions, batches in random order hold few
    of them together, and a validation set in order all: its `val_loss` is then
    higher by up to `log(K)`, which is no overfitting. Shuffle it once,
    `data.shuffle(size, seed=0, reshuffle_each_iteration=False)`, or judge by
    `kx.callbacks.RetrievalEvaluation`, which depends on no batch.

    The rest is as in `ContrastiveLoss`.

    Returns:
        Scalar, in nats.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        loss = kx.losses.InfoNCE()
        logits = np.zeros((4, 4), "float32")
        print(loss(np.arange(4), logits))  # log(4) = 1.386
        ```

    Reference:
        - van den Oord et al., 2018, https://arxiv.org/abs/1807.03748, eq. 4
        - Radford et al., 2021, https://arxiv.org/abs/2103.00020, figure 3
        - Khosla et al., 2020, https://arxiv.org/abs/2004.11362, eq. 2
    """

    initial_temperature = 0.07
    _blocks = 3  # It makes fewer copies.

    def __init__(
        self,
        symmetric: bool = True,
        reduction: str = "mean_with_sample_weight",
        name: str = "info_nce",
        dtype: str | keras.DTypePolicy | None = None,
        chunk_size: int | str | None = "auto",
    ):
        super().__init__(
            symmetric=symmetric,
            reduction=reduction,
            name=name,
            dtype=dtype,
            chunk_size=chunk_size,
        )

    def anchor_loss(self, positives, logits, mask):
        return contrastive.info_nce(positives, logits, mask)

    def _losses_of_anchors(self, pairs, anchors, candidates, scale, bias):
        if type(self).anchor_loss is not InfoNCE.anchor_loss:
            return super()._losses_of_anchors(
                pairs, anchors, candidates, scale, bias
            )
        losses = chunked_info_nce(
            anchors, candidates, scale, pairs[0], both=len(pairs) > 1
        )
        # A softmax does not see the bias; its gradient is 0, not missing.
        return [value + 0.0 * bias for value in losses[: len(pairs)]]
