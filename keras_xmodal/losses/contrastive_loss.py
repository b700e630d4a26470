"""What the contrastive losses share: targets, weights, both directions."""

import dataclasses
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
            1,024, where it is fast; else as many as fit into 4 MiB, of
            `InfoNCE` 12.

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
    # 4 MiB of logits each in a chunk, of which a gradient has some ten copies.
    _blocks = 1

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
        memory=None,
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
            memory: Optional tuple `(ids, anchors, candidates, anchor_weights,
                candidate_weights)` of rows of earlier batches, of shapes
                `(rows,)`, `(rows, dim)` twice and `(rows,)` twice; weight 0
                removes one. Anchors are compared with its candidates, too, and
                candidates with its anchors: negatives, and positives by equal
                ids, without a gradient and never anchors themselves. The loss
                is the mean of both directions, also where the sum over all
                pairs is one (`SigmoidContrastive`). Needs ids, and weights of
                examples or of both sides.

        Returns:
            What the call returns.

        Raises:
            ValueError: If the shapes of embeddings, targets, weights or memory
                do not fit; or if there is a memory, and no ids, or weights of
                pairs, or a subclass that says more than `anchor_loss`.

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
        if memory is not None:
            memory = _check_memory(memory)
            return self._with_memory(
                pairs, anchors, candidates, scale, bias, max_batch_size, memory
            )

        if self._makes_whole(anchors, candidates, max_batch_size):
            logits = dot_similarity(anchors, candidates) * scale + bias
            if self._has_own_call():
                if _are_of_both_sides(sample_weight):
                    sample_weight = pairs.weights_of()
                return self(y_true, logits, sample_weight)
            return self._whole(pairs, logits)
        return self._chunked(pairs, anchors, candidates, scale, bias)

    def total_weight(
        self,
        y_true,
        y_pred=None,
        sample_weight=None,
        max_batch_size=None,
        memory=None,
    ):
        """Weight of a batch among others: the sum of those of its anchors.

        Args:
            y_true: As for the call.
            y_pred: As for the call. Not needed where `y_true` are ids.
            sample_weight: As for the call, or for `from_embeddings`.
            max_batch_size: As for `from_embeddings`.
            memory: As for `from_embeddings`.

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
        directions = (pairs, pairs.swap(pairs.chunks))
        if memory is not None:
            directions = self._pairs_with_memory(pairs, _check_memory(memory))
        return 0.5 * sum(ops.sum(part.anchor_weights()) for part in directions)

    def call(self, y_true, y_pred):
        if "losses" in y_true:  # Of anchors, computed in chunks.
            return y_pred
        return self.anchor_loss(y_true["positives"], y_pred, y_true.get("mask"))

    def _makes_whole(self, anchors, candidates, max_batch_size, more=0):
        """Whether to take a matrix, of these and more candidates."""
        if self.chunk_size is None or self._has_own_call():
            return True
        rows, columns = (
            x.shape[0] or max_batch_size for x in (anchors, candidates)
        )
        columns = None if None in (columns, more) else columns + more
        return self.chunk_size == "auto" and chunks.is_small(rows, columns)

    def _has_own_call(self):
        """Whether a subclass says more than `anchor_loss`."""
        return any(
            getattr(type(self), name) is not getattr(ContrastiveLoss, name)
            for name in ("__call__", "call")
        )

    def _whole(self, pairs, logits):
        """Loss of a matrix of logits."""
        swapped = pairs.swap()
        loss = self._reduced((pairs, swapped), self._targets(pairs), logits)
        if not self.symmetric:
            return loss
        logits = ops.transpose(logits)
        return 0.5 * (
            loss
            + self._reduced((swapped, pairs), self._targets(swapped), logits)
        )

    def _chunked(self, pairs, anchors, candidates, scale, bias):
        """The same, without a matrix."""
        rows, columns = pairs.rows, pairs.columns
        pairs = pairs.in_chunks(self._chunks(rows, columns))
        swapped = pairs.swap(self._chunks(columns, rows))
        directions = ((pairs, swapped), (swapped, pairs))[: 1 + self.symmetric]
        losses = self._losses_of_anchors(
            [each[0] for each in directions], anchors, candidates, scale, bias
        )
        found = [
            self._reduced(each, {"losses": values}, values)
            for each, values in zip(directions, losses, strict=True)
        ]
        return sum(found) / len(found)

    def _with_memory(
        self, pairs, anchors, candidates, scale, bias, max_batch_size, memory
    ):
        """Loss of rows among those of the batch and of a memory."""
        if self._has_own_call():
            raise ValueError(
                "With a memory, a loss must say no more than `anchor_loss`. "
                f"Received: {type(self).__name__}, with a `call` of its own"
            )
        directions = self._pairs_with_memory(pairs, memory)
        turns = (
            (anchors, candidates, memory[2], directions),
            (candidates, anchors, memory[1], directions[::-1]),
        )
        found = []
        for rows, others, more, each in turns[: 1 + self._sees_both]:
            part = each[0]
            checks.same_dim(anchors=rows.shape, memory=more.shape)
            all_others = ops.concatenate([others, ops.stop_gradient(more)])
            if self._makes_whole(rows, others, max_batch_size, more.shape[0]):
                y_true = self._targets(part)
                y_pred = dot_similarity(rows, all_others) * scale + bias
            else:
                part = part.in_chunks(self._chunks(part.rows, part.columns))
                (y_pred,) = self._losses_of_anchors(
                    (part,), rows, all_others, scale, bias
                )
                y_true = {"losses": y_pred}
            found.append(self._reduced(each, y_true, y_pred))
        return sum(found) / len(found)

    def _pairs_with_memory(self, pairs, memory):
        """Of anchors and of candidates, each with what it is compared with."""
        ids, _, _, *more = memory
        if pairs.ids is None or pairs.weights is not None:
            raise ValueError(
                "With a memory, `y_true` must hold ids of shape (batch,), and "
                "`sample_weight` weights of examples or of both sides. "
                "Received: positives or weights of pairs, as a matrix"
            )
        if pairs.factors is None:
            factors = self._factors(ops.ones((pairs.rows,)))
            pairs = dataclasses.replace(
                pairs, factors=factors, of_examples=True
            )

        def right(weights):
            if pairs.of_examples:
                return self._factors(weights)[1]
            return weights[:, None]

        return tuple(
            dataclasses.replace(
                part,
                columns=part.columns + chunks.size(ids),
                ids=ops.concatenate(
                    [ops.cast(x, "int64") for x in (part.ids, ids)]
                ),
                factors=(
                    part.factors[0],
                    ops.concatenate([part.factors[1], right(weights)]),
                ),
            )
            for part, weights in zip(
                (pairs, pairs.swap()), more[::-1], strict=True
            )
        )

    def _chunks(self, rows, columns):
        return chunks.Chunks(rows, columns, self.chunk_size, self._blocks)

    @property
    def _sees_both(self):
        """Whether candidates are compared with a memory, too."""
        return self.symmetric

    def _losses_of_anchors(self, pairs, anchors, candidates, scale, bias):
        """Losses of rows and, where there are pairs for them, of columns."""
        return [
            chunks.anchor_losses(
                functools.partial(self._losses_of_chunk, part),
                *embeddings,
                scale,
                bias,
                part.chunks,
            )
            for part, embeddings in zip(
                pairs,
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

    def _reduced(self, directions, y_true, y_pred):
        """Loss of the first of two directions."""
        return super().__call__(y_true, y_pred, directions[0].anchor_weights())

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


def _check_memory(memory):
    if not isinstance(memory, tuple) or len(memory) != 5:
        raise ValueError(
            "`memory` must be a tuple (ids, anchors, candidates, "
            "anchor_weights, candidate_weights). "
            f"Received: memory={memory}"
        )
    ids, anchors, candidates, *weights = memory
    ids = as_ids("memory", ids)
    rows = ids.shape[0]
    return (
        ids,
        *(
            checks.tensor("memory", x, (rows, None))
            for x in (anchors, candidates)
        ),
        *(_check_weights(x, (rows,)) for x in weights),
    )


def _check_weights(sample_weight, *shape):
    weights = checks.tensor("sample_weight", sample_weight, *shape)
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
