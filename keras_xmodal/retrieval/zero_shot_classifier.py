"""Classify with names instead of labelled examples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.metrics.hit_rate import HitRate
from keras_xmodal.reports import Report
from keras_xmodal.retrieval.queries import unit_embeddings


class ZeroShotClassifier:
    """Assign to each example the class whose name is nearest to it.

    Each class is the mean of the embeddings of its prompts, one per template,
    normalised again. They are computed once, when the classifier is built:
    build it anew after further training.

    Args:
        model: Any object with `encode(x, modality=...)` that returns NumPy
            embeddings of shape `(rows, dim)`, such as `kx.EmbeddingModel`.
        class_names: Sequence of strings, different from each other.
        templates: Sequence of strings with `{}` where the name goes.
        modality: Name of the modality of the prompts.

    Attributes:
        class_embeddings: float32 array of shape `(classes, dim)`, unit rows.

    Raises:
        TypeError: If names or templates are not sequences of strings.
        ValueError: If they are empty, a name comes twice or a template lacks
            its `{}`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        class Model:
            def encode(self, x, modality):
                if modality == "image":
                    return x
                return [[float("cat" in p), float("dog" in p)] for p in x]

        classifier = kx.retrieval.ZeroShotClassifier(
            Model(), ["cat", "dog"], templates=["a photo of a {}", "my {}"]
        )
        images = {"image": np.array([[0.9, 0.2], [0.1, 0.7]])}
        print(classifier.predict(images))  # [0 1]
        print(classifier.evaluate(images, [0, 0])["accuracy"])  # 0.5
        ```

    Reference:
        - Radford et al., 2021, https://arxiv.org/abs/2103.00020, section
          3.1.4
    """

    def __init__(
        self,
        model: Any,
        class_names: Sequence[str],
        templates: Sequence[str] = ("{}",),
        modality: str = "text",
    ):
        self.model = checks.encodes(model)
        self.class_names = checks.strings("class_names", class_names)
        self.templates = checks.strings("templates", templates)
        self.modality = checks.string("modality", modality)
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(
                "`class_names` must be different from each other. "
                f"Received: class_names={self.class_names}"
            )
        for template in self.templates:
            if "{}" not in template:
                raise ValueError(
                    "`templates` must have `{}` where the class name goes. "
                    f"Received: {template!r}"
                )
        prompts = [
            template.replace("{}", name)
            for name in self.class_names
            for template in self.templates
        ]
        prompts = {modality: np.array(prompts)}
        embeddings = self._embed(prompts, "prompts")
        embeddings = embeddings.reshape(  # (classes, templates, dim)
            len(self.class_names), len(self.templates), -1
        )
        self.class_embeddings = self._embed(embeddings.mean(axis=1), "prompts")

    def predict_scores(self, x: Mapping[str, Any] | np.ndarray) -> np.ndarray:
        """Cosine similarity of each example with each class.

        Args:
            x: Dict `{modality: raw examples}` with one entry, or embeddings of
                shape `(examples, dim)`.

        Returns:
            float32 array of shape `(examples, classes)`, from -1 to 1.

        Raises:
            TypeError: If embeddings are no numbers.
            ValueError: If shapes do not fit or values are not finite.
        """
        if isinstance(x, dict) and len(x) != 1:
            raise ValueError(
                f"`x` must be of one modality. Received: {list(x)}"
            )
        embeddings = self._embed(x, "x")
        checks.same_dim(
            x=embeddings.shape, class_embeddings=self.class_embeddings.shape
        )
        # In float64, so that equal embeddings have equal scores.
        scores = embeddings.astype("float64") @ self.class_embeddings.T
        return np.clip(scores, -1, 1).astype("float32")

    def predict(self, x: Mapping[str, Any] | np.ndarray) -> np.ndarray:
        """Number of the nearest class; of equally near ones, the first.

        Args:
            x: Dict `{modality: raw examples}` with one entry, or embeddings of
                shape `(examples, dim)`.

        Returns:
            int64 array of shape `(examples,)`, positions in `class_names`.
        """
        return self.predict_scores(x).argmax(axis=1)

    def evaluate(
        self, x: Mapping[str, Any] | np.ndarray, y: Sequence | np.ndarray
    ) -> dict:
        """Compare the predictions with the true classes.

        Precision, recall and F1 are macro averages over the classes that
        occur in `y` or are predicted; a ratio without a denominator is 0.

        Args:
            x: Dict `{modality: raw examples}` with one entry, or embeddings of
                shape `(examples, dim)`.
            y: Array of shape `(examples,)` of class numbers or class names.

        Returns:
            Dict of floats `"accuracy"`, `"top_5_accuracy"` (ties count
            against the model), `"precision"`, `"recall"`, `"f1"`, and
            `"confusion_matrix"`, an int64 array of shape `(classes, classes)`
            with true classes in rows and predicted ones in columns.

        Raises:
            TypeError: If `y` is neither integers nor strings.
            ValueError: If `y` has another length than `x` or holds an unknown
                class.
        """
        scores = self.predict_scores(x)
        y = self._class_numbers(y, len(scores))
        num_classes = len(self.class_names)
        confusion = np.zeros((num_classes, num_classes), "int64")
        np.add.at(confusion, (y, scores.argmax(axis=1)), 1)
        top_5 = HitRate(5)
        top_5.update_state(np.eye(num_classes)[y], scores)
        correct = np.diag(confusion)
        true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
        occurs = true + predicted > 0
        return Report(
            {
                "accuracy": float(correct.sum() / len(y)),
                "top_5_accuracy": float(ops.convert_to_numpy(top_5.result())),
                "precision": _mean_ratio(correct, predicted, occurs),
                "recall": _mean_ratio(correct, true, occurs),
                "f1": _mean_ratio(2 * correct, true + predicted, occurs),
                "confusion_matrix": confusion,
            }
        )

    def _embed(self, x, argument):
        embeddings = unit_embeddings(
            self.model, x, None if isinstance(x, dict) else argument, argument
        )
        return next(iter(embeddings.values()))

    def _class_numbers(self, y, num_examples):
        y = checks.ids("y", y, num_examples)
        if y.dtype.kind == "U":
            numbers = {name: i for i, name in enumerate(self.class_names)}
            unknown = [name for name in y.tolist() if name not in numbers]
            if unknown:
                raise ValueError(
                    "`y` must hold class names or numbers. "
                    f"Received: unknown classes, first {unknown[0]!r}"
                )
            return np.array([numbers[name] for name in y])
        return checks.class_ids("y", y, num_examples, len(self.class_names))


def _mean_ratio(numerator, denominator, occurs):
    ratio = numerator[occurs] / np.maximum(denominator[occurs], 1)
    return float(ratio.mean())
