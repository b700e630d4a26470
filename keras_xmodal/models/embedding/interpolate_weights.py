"""Weights between those of two models."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_xmodal import checks, saving


def interpolate_weights(
    start: keras.Model | Sequence[np.ndarray],
    end: keras.Model | Sequence[np.ndarray],
    alpha: float,
) -> list[np.ndarray]:
    """Weights on the line from one model to another: `(1 - alpha) a + alpha b`.

    Fine-tuning makes a model better at what it was tuned on, and worse at the
    rest. Between the pretrained and the tuned weights there is often a model
    that is better at both (WiSE-FT); which, the validation items say. It costs
    nothing to serve.

    Args:
        start: Built model, such as the pretrained one; or what its
            `get_weights()` returned before it was trained.
        end: The same after training.
        alpha: Float in `[0, 1]`: 0 gives the weights of `start`, 1 those of
            `end`, both bit for bit.

    Returns:
        List of arrays, which `set_weights` of either model takes. Whole
        numbers are those of `end`.

    Raises:
        TypeError: If an argument is neither a model nor arrays.
        ValueError: If `alpha` is out of range, the two are of different
            structure, or a model has adapters (LoRA), whose product is on no
            line: see `kx.models.merge_lora`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        x = {"image": rng.normal(size=(64, 9)), "text": rng.normal(size=(64, 5))}
        model = kx.EmbeddingModel({"image": 9, "text": 5}, 4)
        model(x)
        before = model.get_weights()
        model.compile("adam")
        model.fit(x, verbose=0)
        after = model.get_weights()
        model.set_weights(kx.models.interpolate_weights(before, after, 0.5))
        ```

    Reference:
        - Wortsman et al., 2022, https://arxiv.org/abs/2109.01903, equation 1
    """  # noqa: E501
    alpha = checks.in_range("alpha", alpha, 0, 1)
    start, start_names = _weights("start", start)
    end, end_names = _weights("end", end)
    shapes = [[w.shape for w in weights] for weights in (start, end)]
    if shapes[0] != shapes[1] or (
        start_names and end_names and start_names != end_names
    ):
        differ = [
            i for i, (a, b) in enumerate(zip(*shapes, strict=False)) if a != b
        ]
        raise ValueError(
            "`start` and `end` must be of one structure. Received: "
            f"{len(start)} and {len(end)} weights"
            + (f", of which {differ[:5]} differ in shape" if differ else "")
        )
    return [_between(a, b, alpha) for a, b in zip(start, end, strict=True)]


def _weights(argument, value):
    """Arrays, and their names where they are known."""
    if not isinstance(value, keras.Model):
        rule = "a Keras model or a list of arrays"
        weights = [np.asarray(w) for w in checks.items(argument, value, rule)]
        if not weights or not all(w.dtype.kind in "fiubV" for w in weights):
            raise TypeError(
                f"`{argument}` must be {rule} of numbers. Received: "
                f"dtypes {[w.dtype.name for w in weights[:5]]}"
            )
        return weights, []
    adapted = sum(saving.has_adapter(layer) for _, layer in saving.walk(value))
    if adapted or not value.weights:
        raise ValueError(
            f"`{argument}` must be built and have no adapters (LoRA): see "
            "`kx.models.merge_lora`. "
            f"Received: {len(value.weights)} weights, {adapted} adapters"
        )
    return value.get_weights(), [weight.name for weight in value.weights]


def _between(a, b, alpha):
    if alpha in (0, 1) or b.dtype.kind not in "fV":
        return b if alpha else a
    between = (1 - alpha) * a.astype("float32") + alpha * b.astype("float32")
    return between.astype(b.dtype)
