"""Whether modalities that a model generates agree with each other."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_xmodal import checks
from keras_xmodal.ops.experts import all_subsets
from keras_xmodal.reports import Report


def coherence_report(
    model: Any,
    x: Mapping[str, Any],
    labels: np.ndarray,
    classifiers: Mapping[str, Callable],
    *,
    num_examples: int = 1000,
    seed: int = 0,
    output: str = "mean",
) -> dict[str, Any]:
    """Measure joint and conditional coherence of a generative model.

    Classifiers, trained on real data, read what the model generates. The
    joint coherence is the share of generated examples whose modalities are
    all of one class. The conditional coherence is the accuracy of the
    classifier on a modality that was generated from others, by a sample of
    the latent; every non-empty subset of the others is given once, the
    modality itself never. No coherence is above what the classifiers can read:
    know their accuracy on real data.

    Args:
        model: `VAEModel` of two modalities at least, or any object with its
            `modalities`, `generate` and `translate`.
        x: Dict `{modality: raw examples}` of all modalities, as `translate`
            takes it, none of them missing.
        labels: Integers of shape `(examples,)`, the classes of `x`.
        classifiers: Dict `{modality: classifier}` of all modalities: a Keras
            model, or a function of a NumPy array, from a batch as the model
            generates it to scores of shape `(batch, classes)`. The scores are
            compared only: logits and probabilities do alike.
        num_examples: Positive integer, examples for the joint coherence.
        seed: Integer, seed of what is generated.
        output: What is classified, `"mean"`, `"mode"` or `"sample"` of the
            likelihoods.

    Returns:
        Dict of Python numbers: `"joint"`; `"chance_joint"`, the share that
        would agree if each modality were generated for itself, in the classes
        in which it was, 1 for a model that always generates one class;
        `"conditional"`, dict by the number of given modalities, each a mean
        over all subsets of that size and modalities to generate;
        `"chance_conditional"`, the share of the most frequent class in
        `labels`; `"pairs"`, what the means are of, by names such as
        `"image_to_text"` and `"image+sound_to_text"`; `"num_examples"`;
        `"num_generated"`.

    Raises:
        TypeError: If `labels` are not integers, or `x` is no dict.
        ValueError: If modalities, classifiers, labels and scores do not fit
            each other.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        labels = rng.integers(2, size=64)
        x = {"a": np.eye(2)[labels], "b": np.eye(2)[1 - labels]}
        model = kx.VAEModel({"a": 2, "b": 2}, latent_dim=2)
        model.compile("adam")
        model.fit(x, epochs=1, verbose=0)
        classifiers = {"a": lambda a: a, "b": lambda b: b[:, ::-1]}
        report = kx.metrics.coherence_report(model, x, labels, classifiers)
        print(report["joint"], report["conditional"][1])
        ```

    Reference:
        - Shi et al., 2019, https://arxiv.org/abs/1911.03393, section 4.1
        - Sutter et al., 2021, https://arxiv.org/abs/2105.02470, section 4.2
    """
    names = tuple(model.modalities)
    num_examples = checks.positive_integer("num_examples", num_examples)
    x = checks.examples("x", x)
    if len(names) < 2 or set(x) != set(names):
        raise ValueError(
            "`x` must hold all modalities of the model, two at least. "
            f"Received: {list(x)}, model with {list(names)}"
        )
    if set(classifiers) != set(names):
        raise ValueError(
            "`classifiers` must have one for each modality of the model. "
            f"Received: {list(classifiers)}, model with {list(names)}"
        )
    num_given = len(x[names[0]])
    labels = checks.class_ids("labels", labels, num_given)

    def classes(name, generated):
        return _classes(name, classifiers[name], generated, labels)

    generated = model.generate(num_examples, seed=seed, output=output)
    found = np.stack([classes(name, generated[name]) for name in names])
    shares = [
        np.bincount(row, minlength=found.max() + 1) / num_examples
        for row in found
    ]
    pairs, by_size = {}, {}
    for members in all_subsets(len(names))[:-1]:
        given = list(itertools.compress(names, members))
        for to in itertools.compress(names, ~members):
            generated = model.translate(
                {name: x[name] for name in given},
                to,
                latent="sample",
                output=output,
                seed=seed,
            )
            accuracy = float(np.mean(classes(to, generated) == labels))
            pairs[f"{'+'.join(given)}_to_{to}"] = accuracy
            by_size.setdefault(len(given), []).append(accuracy)
    return Report(
        {
            "joint": float(np.mean((found == found[0]).all(axis=0))),
            "chance_joint": float(np.prod(shares, axis=0).sum()),
            "conditional": {
                size: float(np.mean(values)) for size, values in by_size.items()
            },
            "chance_conditional": float(np.bincount(labels).max() / num_given),
            "pairs": pairs,
            "num_examples": num_given,
            "num_generated": num_examples,
        }
    )


def _classes(name, classifier, batch, labels):
    """Class that a classifier finds most probable, for each example."""
    # `predict` goes through the data in batches; a function takes all of it.
    if hasattr(classifier, "predict"):
        scores = np.asarray(classifier.predict(batch, verbose=0))
    else:
        scores = np.asarray(classifier(batch))
    if scores.shape[:-1] != (len(batch),) or scores.shape[1] < 2:
        raise ValueError(
            f"`classifiers[{name!r}]` must return scores of shape (batch, "
            "classes), with two classes at least. "
            f"Received: shape {scores.shape} for {len(batch)} examples"
        )
    checks.class_ids("labels", labels, num_classes=scores.shape[1])
    return scores.argmax(axis=1)
