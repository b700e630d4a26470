"""Retrieval over the whole validation set, after each epoch."""

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.evaluation_data import (
    check_dataset,
    embed,
    read_batches,
)
from keras_xmodal.callbacks.periodic_callback import EvaluationCallback
from keras_xmodal.metrics.ids import match_ids
from keras_xmodal.metrics.retrieval_report import retrieval_report
from keras_xmodal.ops import diagnostics as geometry


class RetrievalEvaluation(EvaluationCallback):
    """Evaluate retrieval in both directions over a whole data set.

    What a batch shows depends on its size; here every row of one modality is
    ranked among all rows of the other. The results go into the logs of the
    epoch: `History`, the progress bar, and all other callbacks see them; with
    models that are not of this package, list this one before `EarlyStopping`,
    `ModelCheckpoint` and `TensorBoard`.

    For each pair `(a, b)` they are, after the prefix, `{a}_to_{b}_R@{k}` (the
    hit rate), `{a}_to_{b}_MedR`, `{a}_to_{b}_MRR`, the same for `{b}_to_{a}`;
    `{a}_{b}_rsum`, the sum of all R@k of both directions; and with
    `diagnostics`, `{a}_{b}_modality_gap`, `{a}_{b}_alignment` and
    `{a}_uniformity`, `{b}_uniformity`. Where embeddings are not finite, they
    are NaN, with a warning. `EarlyStopping` and `ModelCheckpoint` need
    `mode="max"` (`"min"` for MedR) to know which is better.

    Rows of one modality with the same id and the same content, such as an
    image that comes with each of its five captions, count once. Rows with
    `sample_weight` 0 are missing and left out; other weights change nothing.

    Args:
        data: Batches of `x`, `(x, ids)` or `(x, ids, sample_weight)`, with
            `x` a dict `{modality: batch}`, raw as for `fit` or
            `kx.models.Preprocessed`, and ids of shape `(batch,)`, of any dtype
            with equality: a `tf.data.Dataset`, a list, a
            `keras.utils.PyDataset`. Or one such tuple of arrays.
            `sample_weight` may be a dict by modality. Without ids, each row
            is its own item.
        pairs: List of pairs of modalities. Defaults to those of the model.
        ks: Positive integers, the cut-offs of R@k.
        frequency: Positive integer, epochs from one evaluation to the next,
            and the first. In between, the logs repeat the last results: a
            `ModelCheckpoint` that misses its metric would save any model.
        prefix: String, the start of every name in the logs. Keras writes
            `"val_"` to the validation run of TensorBoard.
        diagnostics: Whether to add the geometry of the embeddings.
        batch_size: Positive integer, for arrays. A data set brings its own.

    Raises:
        TypeError: If an argument is of a wrong type, or the data set can be
            read only once.
        ValueError: If a value is out of range, or, before training starts, if
            the data set is empty or lacks a modality.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        model.compile(optimizer="adam", loss=kx.losses.InfoNCE())
        x = {"image": np.random.rand(32, 12), "text": np.random.rand(32, 7)}
        evaluation = kx.callbacks.RetrievalEvaluation((x, np.arange(32)))
        history = model.fit(x, np.arange(32), verbose=0, callbacks=[evaluation])
        print(history.history["val_image_to_text_R@5"])
        print(evaluation.evaluate(model)["val_text_to_image_MedR"])
        ```

    Reference:
        - Faghri et al., 2018, https://arxiv.org/abs/1707.05612, section 4
    """

    def __init__(
        self,
        data: Any,
        pairs: Sequence[tuple[str, str]] | None = None,
        *,
        ks: Sequence[int] = (1, 5, 10),
        frequency: int = 1,
        prefix: str = "val_",
        diagnostics: bool = True,
        batch_size: int = 256,
    ):
        super().__init__(frequency, prefix, batch_size)
        check_dataset(data)
        self.data = data
        self.pairs = checks.modality_pairs("pairs", pairs)
        self.ks = checks.positive_integers("ks", ks)
        self.diagnostics = checks.boolean("diagnostics", diagnostics)

    def on_train_begin(self, logs=None):
        """Check the first batch, before anything is trained."""
        self._check(self.model)
        super().on_train_begin(logs)

    def evaluate(self, model):
        """Evaluate a model, in training or not.

        Args:
            model: Keras model from `{modality: batch}`, with any one of the
                modalities, to `{modality: embedding}`; the dot product of
                embeddings is their score.

        Returns:
            Dict of floats, as they go into the logs.

        Raises:
            TypeError: If the model does not return a dict of embeddings.
            ValueError: If the data set is empty, lacks a modality, or no id
                occurs in both modalities of a pair.
        """
        pairs = self._check(model)
        names = list(dict.fromkeys(itertools.chain(*pairs)))
        embedded = embed(model, self.data, names, self.batch_size)
        missing = [name for name in names if name not in embedded]
        if missing:
            raise ValueError(
                f"`data` must hold rows of each of {names}. "
                f"Received: none of {missing}"
            )
        broken = {
            name: int((~np.isfinite(embeddings).all(axis=1)).sum())
            for name, (embeddings, _) in embedded.items()
        }
        if any(broken.values()):
            warnings.warn(
                "Retrieval is NaN where embeddings are not finite. "
                f"Received: rows with NaN or infinity {broken}",
                stacklevel=2,
            )
        results = {}
        for a, b in pairs:
            finite = not broken[a] and not broken[b]
            results.update(self._evaluate_pair(a, b, embedded, finite))
        for name in names if self.diagnostics else ():
            embeddings, _ = embedded[name]
            possible = not broken[name] and len(embeddings) > 1
            results[f"{name}_uniformity"] = (
                float(geometry.uniformity(embeddings))
                if possible
                else float("nan")
            )
        return {self.prefix + key: value for key, value in results.items()}

    def _evaluate_pair(self, a, b, embedded, finite):
        results, rsum = {}, 0.0
        for source, target in ((a, b), (b, a)):
            report = {}
            if finite:
                queries, query_ids = embedded[source]
                candidates, candidate_ids = embedded[target]
                report = retrieval_report(
                    queries, candidates, query_ids, candidate_ids, self.ks
                )
            for key in [*(f"R@{k}" for k in self.ks), "MedR", "MRR"]:
                value = report.get(key, float("nan"))
                results[f"{source}_to_{target}_{key}"] = value
                rsum += value if key.startswith("R@") else 0.0
        results[f"{a}_{b}_rsum"] = rsum
        if self.diagnostics:
            gap = alignment = float("nan")
            if finite:
                gap = float(
                    geometry.modality_gap(embedded[a][0], embedded[b][0])
                )
                alignment = _alignment(*embedded[a], *embedded[b])
            results[f"{a}_{b}_modality_gap"] = gap
            results[f"{a}_{b}_alignment"] = alignment
        return results

    def _check(self, model):
        """Check pairs and first batch; return the pairs."""
        known = getattr(model, "modalities", None)
        first = next(read_batches(self.data, self.batch_size), None)
        if first is None or len(first[1]) == 0:
            raise ValueError(
                "`data` must hold at least one batch. "
                "Received: an empty data set"
            )
        pairs = self.pairs
        if pairs is None:
            pairs = getattr(model, "pairs", None) or list(
                itertools.combinations(first[0], 2)
            )
        names = set(itertools.chain(*pairs))
        if not pairs or (known is not None and not names <= set(known)):
            raise ValueError(
                "`pairs` must name modalities of the model, at least two. "
                f"Received: pairs={pairs}, model with {known}"
            )
        if not names & set(first[0]):
            raise ValueError(
                f"`data` must hold the modalities {sorted(names)}. "
                f"Received: {list(first[0])}"
            )
        return [tuple(pair) for pair in pairs]


def _alignment(x, x_ids, y, y_ids):
    """Mean squared distance of all pairs with equal ids, by sums per id.

    Equal to `ops.diagnostics.alignment` of the list of these pairs, which may
    be too long to write down: `|x - y|^2 = |x|^2 + |y|^2 - 2 x.y`.
    """
    x, y = x.astype("float64"), y.astype("float64")
    x_ids, y_ids = match_ids(x_ids, y_ids)
    num_ids = max(x_ids.max(), y_ids.max()) + 1

    def sums(values, ids):
        total = np.zeros((num_ids, values.shape[1]))
        np.add.at(total, ids, values)
        squares = np.sum(values**2, axis=1)
        return (
            np.bincount(ids, minlength=num_ids),
            np.bincount(ids, squares, minlength=num_ids),
            total,
        )

    x_count, x_square, x_total = sums(x, x_ids)
    y_count, y_square, y_total = sums(y, y_ids)
    distance = y_count @ x_square + x_count @ y_square
    distance -= 2 * np.sum(x_total * y_total)
    return float(max(distance, 0.0) / (x_count @ y_count))
