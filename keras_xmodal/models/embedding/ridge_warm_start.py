"""A projection in closed form, before the first step of training."""

import keras
import numpy as np

from keras_xmodal import checks
from keras_xmodal.models.data import take_rows
from keras_xmodal.models.embedding.embedding_model import EmbeddingModel
from keras_xmodal.models.embedding.ridge import Ridge

# Adam moves each weight by about the learning rate a step, whatever its size;
# this one goes with learning rates around 1e-3. The direction of an embedding
# does not depend on it.
_WEIGHT_SCALE = 0.02


def ridge_warm_start(
    model: EmbeddingModel,
    x: dict[str, np.ndarray],
    targets: np.ndarray,
    penalty: float = 0.1,
    sample_weight: np.ndarray | None = None,
) -> None:
    """Set a modality's projection to the ridge regression onto targets.

    `W, b = argmin sum_i w_i |f_i W + b - t_i|^2 + lambda |W|^2`, where `f_i`
    are the features of the encoder and `t_i` the embeddings of the same items
    in another modality. Both are then multiplied by one number, which changes
    no direction, so that the weights have a size (root mean square .02) that
    an optimizer can move. Contrastive training then starts from the best linear
    alignment instead of from nothing: with a few hundred examples, that is
    most of what can be learned, and with frozen pretrained encoders it may be
    all that is needed.

    Args:
        model: Built `EmbeddingModel` with projections.
        x: Dict `{modality: raw examples}` of the one modality whose
            projection is set, or `Preprocessed`.
        targets: Array of shape `(examples, embedding_dim)`: where the
            examples should lie, such as the other modality's embeddings.
        penalty: Float > 0, lambda as a multiple of the features' mean
            variance (summed over examples).
        sample_weight: Array of shape `(examples,)`, or None for ones.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If `x` does not hold one modality of the model, there is no
            projection, shapes do not fit, or anything is not finite. The
            projection is then as it was.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        x = {"image": rng.normal(size=(50, 20)), "text": rng.normal(size=(50, 8))}
        model = kx.EmbeddingModel({"image": 20, "text": 8}, 4)
        model(x)
        targets = model.encode(x["text"], "text")
        kx.models.ridge_warm_start(model, {"image": x["image"]}, targets)
        ```

    Reference:
        - Hoerl and Kennard, 1970, https://doi.org/10.1080/00401706.1970.10488634
    """  # noqa: E501
    checks.instance_of("model", model, EmbeddingModel, "an `EmbeddingModel`")
    (x,) = model._check_arrays(x, inputs=True)
    if len(x) != 1:
        raise ValueError(
            f"`x` must hold one modality. Received: x with keys {list(x)}"
        )
    ((modality, examples),) = x.items()
    projection = model.projections.get(modality)
    if projection is None or not projection.built:
        raise ValueError(
            "`model` must have been called once and have `embedding_dim`. "
            f"Received: no built projection of {modality!r}"
        )
    count = len(examples)
    targets = checks.embeddings("targets", targets)
    checks.shape("targets", targets.shape, (count, model.embedding_dim))
    penalty = checks.positive("penalty", penalty)
    weight = _weights(sample_weight, count)
    features = np.concatenate(
        [
            _features(model, modality, take_rows(x, slice(i, i + 256)))
            for i in range(0, count, 256)
        ]
    )
    checks.finite("features", features, "They are what the encoder returns")
    kernel, bias = Ridge(features, targets, weight).solve(penalty)
    scale = _WEIGHT_SCALE / max(np.sqrt(np.mean(kernel**2)), 1e-9)
    solution = [kernel * scale, bias * scale]
    if not all(np.isfinite(weights).all() for weights in solution):
        raise ValueError(
            "`x` and `targets` must be of a size whose squares float32 holds. "
            f"Received: features up to {np.abs(features).max():g} and targets "
            f"up to {np.abs(targets).max():g}"
        )
    projection.set_weights(solution)


def _weights(sample_weight, count):
    if sample_weight is None:
        return np.ones(count, "float32")
    weight = checks.real_numbers("sample_weight", sample_weight)
    checks.shape("sample_weight", weight.shape, (count,))
    weight = checks.finite("sample_weight", weight.astype("float32"))
    if weight.min() < 0 or not weight.any():
        raise ValueError(
            "`sample_weight` must not be negative, and not all 0. "
            f"Received: from {weight.min()} to {weight.max()}"
        )
    return weight


def _features(model, modality, x):
    """What the encoder makes of a batch, or the batch where there is none."""
    features = model.preprocess(x)[modality]
    if modality in model.encoders:
        features = model.encoders[modality](features, training=False)
    return keras.ops.convert_to_numpy(features).astype("float32")
