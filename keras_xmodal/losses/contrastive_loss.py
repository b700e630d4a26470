"""What the contrastive losses share: targets, weights, both directions."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.ops import chunks
from keras_xmodal.ops.contrastive import as_ids
from keras_xmodal.ops.pairs import Pairs
from keras_xmodal.ops.similarity import dot_similarity


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
        chunk_size: Positive integer, of how many anchors `from_embeddings`, and
            with it `EmbeddingModel`, has logits in memory at once; the values
            are the same. None: of all. `"auto"`: of all in a batch of up to
            1,024, where it is fast; else as many as fit into 12 MiB.

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
        chunk_size: int | str | None = "auto",
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.symmetric = checks.boolean("symmetric", symmetric)
        self.chunk_size = _check_chunk_size(chunk_size)

    def anchor_loss(self, positives, logits, mask):
        """Loss of each row, which depends on no other row.

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
        return self._whole(self._pairs(y_true, sample_weight, logits), logits)

    def from_embeddings(
        self,
        y_true,
        anchors,
        candidates,
        scale=1.0,
        bias=0.0,
        sample_weight=None,
        max_batch_size=None,
    ):
        """Loss of the logits `scale * anchors @ candidates.T + bias`.

        Value and gradients are those of the call. But with `chunk_size` no
        logits are whole in memory, nor are positives of ids or weights of
        examples: it takes what a chunk of rows takes. The gradient computes the
        logits of each chunk once more.

        Args:
            y_true: As for the call.
            anchors: Embeddings of shape `(batch, dim)`; the maths is float32.
            candidates: Embeddings of shape `(candidates, dim)`.
            scale: Scalar, such as `1 / temperature`.
            bias: Scalar.
            sample_weight: As for the call; or a tuple of weights of the
                anchors, of shape `(batch,)`, and of the candidates, of shape
                `(candidates,)`: then a pair counts by the product of both.
            max_batch_size: Positive integer, the most rows of both where a
                graph does not know them, so that `"auto"` knows that they are
                few. None: they may be many.

        Returns:
            What the call returns.

        Raises:
            ValueError: If the shapes of embeddings, targets or weights do not
                fit.

        Example:
            ```python
            import numpy as np
            import keras_xmodal as kx

            x = np.eye(4, dtype="float32")
            loss = kx.losses.InfoNCE(chunk_size=2)
            print(loss.from_embeddings(np.arange(4), x, x, scale=10.0))
            print(loss(np.arange(4), 10 * x @ x.T))  # the same
            ```
        """
        anchors = checks.tensor("anchors", anchors, ("batch", "dim"))
        candidates = checks.tensor(
            "candidates", candidates, ("candidates", "dim")
        )
        checks.same_dim(anchors=anchors.shape, candidates=candidates.shape)
        if 0 in (anchors.shape[0], candidates.shape[0]):
            raise ValueError(
                "`anchors` and `candidates` must have a row at least. "
                f"Received: anchors.shape={tuple(anchors.shape)}, "
                f"candidates.shape={tuple(candidates.shape)}"
            )
        checks.positive_integer("max_batch_size", max_batch_size, optional=True)
        scale = checks.tensor("scale", scale, ())
        bias = checks.tensor("bias", bias, ())
        pairs = self._pairs(y_true, sample_weight, anchors, candidates)

        if self._makes_whole(anchors, candidates, max_batch_size):
            logits = dot_similarity(anchors, candidates) * scale + bias
            if self._has_own_call():
                if _are_of_both_sides(sample_weight):
                    sample_weight = pairs.weights_of()
                return self(y_true, logits, sample_weight)
            return self._whole(pairs, logits)
        return self._chunked(pairs, anchors, candidates, scale, bias)

    def total_weight(
        self, y_true, y_pred=None, sample_weight=None, max_batch_size=None
    ):
        """Weight of a batch among others: the sum of those of its anchors.

        Args:
            y_true: As for the call.
            y_pred: As for the call. Not needed where `y_true` are ids.
            sample_weight: As for the call, or for `from_embeddings`.
            max_batch_size: As for `from_embeddings`.

        Returns:
            Scalar, the mean of both directions; without weights the number of
            anchors that have a positive.
        """
        if y_pred is None:
            y_pred = checks.tensor("y_true", y_true, ("batch",), dtype=None)
            pairs = self._pairs(y_true, sample_weight, y_pred, y_pred)
            if not self._makes_whole(y_pred, y_pred, max_batch_size):
                pairs = pairs.in_chunks(
                    chunks.Chunks(pairs.rows, pairs.columns)
                )
        else:
            y_pred = checks.tensor("y_pred", y_pred, dtype=None)
            pairs = self._pairs(y_true, sample_weight, y_pred)
        return 0.5 * (
            ops.sum(pairs.anchor_weights())
            + ops.sum(pairs.swap(pairs.chunks).anchor_weights())
        )

    def call(self, y_true, y_pred):
        if "losses" in y_true:  # Of anchors, computed in chunks.
            return y_pred
        return self.anchor_loss(y_true["positives"], y_pred, y_true.get("mask"))

    def _makes_whole(self, anchors, candidates, max_batch_size):
        if self.chunk_size is None or self._has_own_call():
            return True
        sizes = (x.shape[0] or max_batch_size for x in (anchors, candidates))
        return self.chunk_size == "auto" and chunks.is_small(*sizes)

    def _has_own_call(self):
        """Whether a subclass says more than `anchor_loss`."""
        return any(
            getattr(type(self), name) is not getattr(ContrastiveLoss, name)
            for name in ("__call__", "call")
        )

    def _whole(self, pairs, logits):
        """Loss of a matrix of logits."""
        loss = self._reduced(pairs, self._targets(pairs), logits)
        if not self.symmetric:
            return loss
        pairs = pairs.swap()
        logits = ops.transpose(logits)
        return 0.5 * (loss + self._reduced(pairs, self._targets(pairs), logits))

    def _chunked(self, pairs, anchors, candidates, scale, bias):
        """The same, without a matrix."""
        rows, columns = pairs.rows, pairs.columns
        pairs = pairs.in_chunks(chunks.Chunks(rows, columns, self.chunk_size))
        swapped = pairs.swap(chunks.Chunks(columns, rows, self.chunk_size))
        losses = self._losses_of_anchors(
            (pairs, swapped), anchors, candidates, scale, bias
        )
        found = [
            self._reduced(part, {"losses": values}, values)
            for part, values in zip((pairs, swapped), losses, strict=False)
        ]
        return 0.5 * (found[0] + found[1]) if self.symmetric else found[0]

    def _losses_of_anchors(self, pairs, anchors, candidates, scale, bias):
        """Losses of rows and, of a symmetric loss, of columns."""
        return [
            chunks.anchor_losses(
                functools.partial(self._losses_of_chunk, part),
                *embeddings,
                scale,
                bias,
                part.chunks,
            )
            for part, embeddings in zip(
                pairs[: 1 + self.symmetric],
                ((anchors, candidates), (candidates, anchors)),
                strict=False,
            )
        ]

    def _losses_of_chunk(self, pairs, start, logits):
        y_true = {
            name: ops.cast(value, self.dtype)  # As Keras does.
            for name, value in self._targets(pairs, start).items()
        }
        losses = self.call(y_true, ops.cast(logits, self.dtype))
        return ops.cast(losses, "float32")

    def _targets(self, pairs, start=None):
        y_true = {"positives": pairs.positives_of(start)}
        if pairs.are_weighted:
            y_true["mask"] = self._mask(pairs.weights_of(start))
        return y_true

    def _mask(self, weights):
        return weights > 0

    def _reduced(self, pairs, y_true, y_pred):
        """Loss of one direction."""
        return super().__call__(y_true, y_pred, pairs.anchor_weights())

    def _pairs(self, y_true, sample_weight, y_pred, candidates=None):
        """Check targets and weights of logits, or of two tensors of rows."""
        if candidates is None:
            shape = tuple(y_pred.shape)
            sizes = [chunks.size(y_pred, i) for i in range(len(shape))]
        else:
            shape = (y_pred.shape[0], candidates.shape[0])
            sizes = [chunks.size(y_pred), chunks.size(candidates)]
        targets = self._positives(y_true, shape)
        weights = {}
        if candidates is not None and _are_of_both_sides(sample_weight):
            weights = self._weights_of_both_sides(sample_weight, shape)
        elif sample_weight is not None:
            weights = self._weights(sample_weight, shape)
        return Pairs(*sizes, **targets, **weights)

    def _positives(self, y_true, shape):
        y_true = checks.tensor("y_true", y_true, dtype=None)
        if len(y_true.shape) == 1:
            _check_whole(y_true)
            self._check_shape("y_true", (y_true.shape[0],) * 2, shape)
            return {"ids": as_ids("y_true", y_true)}
        self._check_shape("y_true", tuple(y_true.shape), shape)
        return {"positives": y_true}

    def _weights_of_both_sides(self, sample_weight, shape):
        left, right = map(_check_weights, sample_weight)
        sizes = (left.shape[0], right.shape[0])
        self._check_shape("sample_weight", sizes, shape)
        return {"factors": (left[:, None], right[:, None])}

    def _weights(self, sample_weight, shape):
        weights = _check_weights(sample_weight)
        if len(weights.shape) == 1:
            self._check_shape("sample_weight", (weights.shape[0],) * 2, shape)
            factors = self._factors(weights)
            return {"factors": factors, "of_examples": True}
        self._check_shape("sample_weight", tuple(weights.shape), shape)
        return {"weights": weights}

    def _factors(self, weights):
        """The anchor's weight, on the candidates that are there."""
        present = ops.cast(weights > 0, "float32")
        return weights[:, None], present[:, None]

    def _check_shape(self, argument, shape, known):
        """Compare what is known of two shapes; None matches anything."""
        if len(shape) != 2 or any(
            a is not None and b is not None and a != b
            for a, b in zip(shape, known, strict=True)
        ):
            raise ValueError(
                f"`{argument}` must have shape (batch,), with logits of shape "
                "(batch, batch), or the shape of the logits. Received: "
                f"{argument}.shape={shape}, y_pred.shape={known}"
            )


def _are_of_both_sides(sample_weight):
    return (
        isinstance(sample_weight, tuple)
        and len(sample_weight) == 2
        and all(len(np.shape(part)) == 1 for part in sample_weight)
    )


def _check_weights(sample_weight):
    weights = checks.tensor("sample_weight", sample_weight)
    if not tf.is_symbolic_tensor(weights):
        most = np.finfo("float32").max
        checks.values("sample_weight", weights, 0, most, "finite, from 0")
    return weights


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


def _check_chunk_size(chunk_size):
    if isinstance(chunk_size, str):
        return checks.one_of("chunk_size", chunk_size, ["auto"])
    return checks.positive_integer("chunk_size", chunk_size, optional=True)
