"""The use of the latent space, after each epoch."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.callbacks.evaluation_data import check_examples, like
from keras_xmodal.callbacks.periodic_callback import EvaluationCallback
from keras_xmodal.metrics.latent_report import latent_report
from keras_xmodal.metrics.linear_probe import linear_probe


class LatentEvaluation(EvaluationCallback):
    """Measure what a VAE's posteriors tell of the data.

    The results go into the logs of the epoch: `History`, the progress bar, and
    all other callbacks see them. They are, after the prefix,
    `latent_kl`, the divergence of `q(z|X)` from the prior in nats, and
    `active_units`, of the posterior given all modalities of `data`; the same
    as `{modality}_latent_kl` and `{modality}_active_units` for the posterior
    given this modality alone; and with labels, `linear_probe`, the accuracy of
    a linear classifier of the means, fitted to a random half of the examples
    and tested on the other. `report` holds the last `latent_report` of the
    posterior given all, with the divergence of each dimension, and the last
    `linear_probe`, with the accuracy that is chance, under that name.

    A posterior without an active unit has collapsed: its decoder learns
    nothing from the latent. It is warned of, once a training, where two
    evaluations in a row find it, or the last one. Where latents are not
    finite, results are NaN, with a warning.

    Args:
        data: Dict `{modality: examples}` of any subset of the modalities, raw
            as `fit` takes it, or `kx.models.Preprocessed`, none of them
            missing; or an array, for a model of tensors.
        labels: Array of shape `(examples,)` of any dtype with equality, or
            None. Both halves need several examples of each class.
        frequency: Positive integer, epochs from one evaluation to the next,
            and the first. In between, the logs repeat the last results: a
            `ModelCheckpoint` that misses its metric would save any model.
        prefix: String, the start of every name in the logs.
        batch_size: Positive integer, examples encoded at once.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If sizes do not fit, a value is out of range, labels have
            one class only, or, before training starts, a modality is unknown.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel({"image": 8, "text": 5}, latent_dim=4)
        model.compile("adam")
        evaluation = kx.callbacks.LatentEvaluation(x, np.arange(64) % 2)
        print(evaluation.evaluate(model)["val_linear_probe"])
        print(evaluation.report["kl_per_dim"])
        ```

    Reference:
        - Burda et al., 2016, https://arxiv.org/abs/1509.00519, section 5.2
    """

    def __init__(
        self,
        data: Mapping[str, Any] | np.ndarray,
        labels: np.ndarray | None = None,
        *,
        frequency: int = 1,
        prefix: str = "val_",
        batch_size: int = 256,
    ):
        super().__init__(frequency, prefix, batch_size)
        self.data = check_examples(data)
        size = len(
            next(iter(data.values())) if isinstance(data, dict) else self.data
        )
        self.labels = None
        if labels is not None:
            self.labels = checks.ids("labels", labels, size)
            if len(np.unique(self.labels)) < 2:
                raise ValueError(
                    "`labels` must have two classes at least. "
                    f"Received: {self.labels[0]!r} for all {size} examples"
                )
        self.report = {}
        self._collapsed, self._warned = set(), False

    def on_train_begin(self, logs=None):
        """Check the modalities, before anything is trained."""
        if self._names():
            checks.modalities("data", self.data, self.model.modalities)
        self._collapsed, self._warned = set(), False
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate, add the results to the logs, warn of a collapse."""
        before, results = self._collapsed, self._results
        super().on_epoch_end(epoch, logs)
        # The posteriors of a new model are all alike: once says nothing.
        if self._results is not results:
            self._warn(before & self._collapsed)

    def on_train_end(self, logs=None):
        """Warn of a collapse that the last evaluation found."""
        self._warn(self._collapsed)

    def evaluate(self, model):
        """Evaluate a model, in training or not.

        Args:
            model: `VAEModel`.

        Returns:
            Dict of floats, as they go into the logs.
        """
        given = {"": self.data}
        if len(self._names()) > 1:
            given |= {
                f"{name}_": like(self.data, {name: value})
                for name, value in self.data.items()
            }
        results, self._collapsed = {}, set()
        for name, x in given.items():
            report = self._report(model, x, probe=not name)
            if report.get("collapsed"):
                self._collapsed.add(name.removesuffix("_"))
            if not name:
                self.report = report
            nan = float("nan")
            results[f"{name}latent_kl"] = report.get("kl", nan)
            results[f"{name}active_units"] = float(
                report.get("active_units", nan)
            )
        if self.labels is not None:
            probe = self.report.get("linear_probe", {})
            results["linear_probe"] = probe.get("accuracy", nan)
        return {self.prefix + key: value for key, value in results.items()}

    def _report(self, model, x, probe):
        """Report of the posterior given `x`; empty where it is not finite."""
        mean, log_variance = (
            model.encode(x, output=output, batch_size=self.batch_size)
            for output in ("mean", "log_variance")
        )
        broken = ~np.isfinite(mean + log_variance).all(axis=1)
        if broken.any():
            warnings.warn(
                "Measures of the latent are NaN where it is not finite. "
                f"Received: {int(broken.sum())} of {len(broken)} rows with "
                f"NaN or infinity, given {list(x) if self._names() else 'x'}",
                stacklevel=2,
            )
            return {}
        report = latent_report(mean, log_variance)
        if probe and self.labels is not None:
            order = np.random.default_rng(0).permutation(len(mean))
            train, test = np.array_split(order, 2)
            report["linear_probe"] = linear_probe(
                mean[train], self.labels[train], mean[test], self.labels[test]
            )
        return report

    def _names(self):
        return tuple(self.data) if isinstance(self.data, dict) else ()

    def _warn(self, collapsed):
        if not collapsed or self._warned:
            return
        self._warned = True
        given = [f"given {n!r} alone" for n in sorted(collapsed) if n]
        if "" in collapsed:
            given.insert(0, "given all modalities" if given else "given all")
        warnings.warn(
            "The posterior has collapsed: no latent dimension is active "
            f"{', '.join(given)}. A smaller `beta`, `KLWarmUp` or "
            "`free_bits` may keep it open",
            stacklevel=2,
        )
