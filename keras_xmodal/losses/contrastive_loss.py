"""What the contrastive losses share: targets, weights, both directions."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.ops.contrastive import anchor_weights, positives_from_ids


@saving.register
class ContrastiveLoss(keras.losses.Loss):
    """Base of losses on a matrix of similarities between two modalities.

    A subclass implements `anchor_loss(positives, logits, mask)`, one loss per
    row, and says where the temperature and bias of a model start. A new loss
    is that one method.

    Args:
        symmetric: Whether to average the loss of rows (anchor to candidate)
            and of columns (candidate to anchor).
        reduction: Keras reduction. The default divides by the sum of the
            weights, so that an example of weight 0 changes nothing.
        name: Name of the loss.
        dtype: Ignored in the maths, which is always float32.

    Call arguments:
        y_true: Integer ids of shape `(batch,)`, where equal ids mark positives
            (the logits are then square, in the same order on both sides), or
            positives of shape `(batch, candidates)`, nonzero at positives.
        y_pred: Logits of shape `(batch, candidates)`.
        sample_weight: Optional, of shape `(batch,)` (weight 0 removes the
            example as anchor and as candidate; square logits only) or
            `(batch, candidates)` (weight 0 removes the pair). An anchor counts
            by the weight of its example, or of its own pair; where that pair is
            removed, or `y_true` are positives, by its heaviest positive pair.

    Raises:
        ValueError: If the shapes of targets or weights do not fit the logits;
            and, where there are values, if ids are not whole or weights
            negative.
    """

    # Where `EmbeddingModel` starts its learned logits
    # `similarity / temperature + bias`. None: the loss takes the similarity.
    initial_temperature: float | None = None
    initial_bias = 0.0

    def __init__(
        self,
        symmetric: bool = True,
        reduction: str = "mean_with_sample_weight",
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.symmetric = checks.boolean("symmetric", symmetric)

    def anchor_loss(self, positives, logits, mask):
        """Loss of each row.

        Args:
            positives: Boolean tensor of shape `(batch, candidates)`.
            logits: Tensor of shape `(batch, candidates)`.
            mask: None, or boolean tensor of shape `(batch, candidates)`.

        Returns:
            Float32 tensor of shape `(batch,)`.
        """
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Ids are compared before Keras casts targets to float32, where two
        # large ids may become equal.
        shape = ("batch", "candidates")
        logits = checks.tensor("y_pred", y_pred, shape, dtype=None)
        if 0 in logits.shape:
            raise ValueError(
                "`y_pred` must have a row and a column at least. "
                f"Received: y_pred.shape={tuple(logits.shape)}"
            )
        positives = self._positives(y_true, logits)
        weights = None
        if sample_weight is not None:
            weights = self._pair_weights(sample_weight, logits)
        own = len(np.shape(y_true)) == 1
        loss = self._direction(positives, logits, weights, own)
        if not self.symmetric:
            return loss
        # Weights of examples are those of the anchors in both directions.
        if weights is not None and len(np.shape(sample_weight)) == 2:
            weights = ops.transpose(weights)
        backward = self._direction(
            ops.transpose(positives), ops.transpose(logits), weights, own
        )
        return 0.5 * (loss + backward)

    def total_weight(self, y_true, y_pred, sample_weight=None):
        """Weight of a batch among others: the sum of those of its anchors.

        Args:
            y_true: As for the call.
            y_pred: As for the call.
            sample_weight: As for the call.

        Returns:
            Scalar, the mean of both directions; without weights the number of
            anchors that have a positive.
        """
        logits = checks.tensor("y_pred", y_pred, dtype=None)
        positives = self._positives(y_true, logits)
        own = len(np.shape(y_true)) == 1
        weights = None
        if sample_weight is not None:
            weights = self._pair_weights(sample_weight, logits)
        total = ops.sum(self._row_weights(positives, weights, own))
        if weights is not None and len(np.shape(sample_weight)) == 2:
            weights = ops.transpose(weights)
        positives = ops.transpose(positives)
        columns = ops.sum(self._row_weights(positives, weights, own))
        return 0.5 * (total + columns)

    def _direction(self, positives, logits, weights, own):
        """Loss of the rows; with `own`, the pair of an anchor is in its row."""
        y_true = {"positives": positives}
        if weights is not None:
            y_true["mask"] = weights > 0
        row_weights = self._row_weights(positives, weights, own)
        return super().__call__(y_true, logits, row_weights)

    def _row_weights(self, positives, weights, own):
        """Weight of each anchor: that of its own pair, where it has one."""
        if weights is None:
            return ops.cast(ops.any(positives, axis=-1), "float32")
        heaviest = anchor_weights(positives, weights)
        if not own:
            return heaviest
        own_pair = ops.diagonal(weights)
        return ops.where(own_pair > 0, own_pair, heaviest)

    def call(self, y_true, y_pred):
        return self.anchor_loss(y_true["positives"], y_pred, y_true.get("mask"))

    def _positives(self, y_true, logits):
        y_true = checks.tensor("y_true", y_true, dtype=None)
        if len(y_true.shape) == 1:
            _check_whole(y_true)
            self._check_shape("y_true", (y_true.shape[0],) * 2, logits)
            return positives_from_ids(y_true)
        self._check_shape("y_true", tuple(y_true.shape), logits)
        return ops.cast(y_true, "bool")

    def _pair_weights(self, sample_weight, logits):
        weights = checks.tensor("sample_weight", sample_weight)
        if not tf.is_symbolic_tensor(weights):
            most = np.finfo("float32").max
            checks.values("sample_weight", weights, 0, most, "finite, from 0")
        if len(weights.shape) == 1:
            self._check_shape("sample_weight", (weights.shape[0],) * 2, logits)
            present = ops.cast(weights > 0, "float32")
            # The anchor's weight, on the candidates that are there.
            return ops.expand_dims(weights, 1) * ops.expand_dims(present, 0)
        self._check_shape("sample_weight", tuple(weights.shape), logits)
        return weights

    def _check_shape(self, argument, shape, logits):
        """Compare what is known of two shapes; None matches anything."""
        known = tuple(logits.shape)
        if len(shape) != 2 or any(
            a is not None and b is not None and a != b
            for a, b in zip(shape, known, strict=True)
        ):
            raise ValueError(
                f"`{argument}` must have shape (batch,), with logits of shape "
                "(batch, batch), or the shape of the logits. Received: "
                f"{argument}.shape={shape}, y_pred.shape={known}"
            )


def _check_whole(ids):
    """Check, where there are values, that ids are whole numbers."""
    if tf.is_symbolic_tensor(ids) or not tf.as_dtype(ids.dtype).is_floating:
        return
    values = np.asarray(ids, "float64")
    if not (np.floor(values) == values).all():
        raise ValueError(
            "`y_true` of shape (batch,) must hold integer ids. "
            f"Received: y_true={values}"
        )
