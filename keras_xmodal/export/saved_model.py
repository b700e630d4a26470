"""Export to a TensorFlow SavedModel."""

import os

import numpy as np
import tensorflow as tf

from keras_xmodal.export import archive, report, samples
from keras_xmodal.export.atomic_folder import atomic_folder, check_new
from keras_xmodal.export.float32_twin import is_float32
from keras_xmodal.export.towers import find_towers
from keras_xmodal.models import EmbeddingModel


def saved_model(
    model: EmbeddingModel,
    path: str | os.PathLike,
    evaluation: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
    *,
    input_signature: dict[str, tf.TensorSpec] | None = None,
    batch_size: int = 256,
    tolerance: float | None = None,
) -> dict:
    """Write a SavedModel that serves embeddings without Keras.

    It runs in TensorFlow Serving, in C and from `tf.saved_model.load`, none
    of which needs Keras or this package. Its signatures are, for each
    modality, such as `"image"` or `"text"`:

    - `embed_<modality>` takes a preprocessed batch;
    - `embed_<modality>_bytes`, where the preprocessor takes pictures, takes
      the bytes of picture files (PNG, JPEG, GIF, BMP, of different sizes
      where the preprocessor resizes), a string tensor of shape `(batch,)`;
    - `embed_<modality>_string`, where the preprocessor takes texts, takes
      UTF-8 strings of shape `(batch,)`;
    - `embed_<modality>_raw`, where the preprocessor takes anything else
      that it declares (by `keras.Input`) or that `evaluation` shows.

    The input is named as the modality is, the output `embedding`, float32 of
    shape `(batch, embedding_dim)`. The batch size is open, so that a
    server may batch requests: no row depends on another, if the encoders
    ignore padding where the length of texts is open. `serving_default` is
    the endpoint of the first modality, on raw input if there is one. A model
    of one tensor has the signature `embed` with the input `x`.

    A preprocessor takes pictures if it has a method `decode`, as
    `kx.networks.ImagePreprocessor`, or if the encoder's input has the shape
    `(batch, height, width, channels)`; it takes texts if it is a
    `keras.layers.TextVectorization`, as `kx.networks.TextPreprocessor`, or
    declares strings, or if `evaluation` holds strings.

    What was written is loaded again, run and compared with Keras, on single
    examples and on batches, before it appears at `path`. On any failure
    nothing stays there. The report is also kept beside the model's own files,
    in `assets.extra/report.json`, which TensorFlow Serving ignores.

    Args:
        model: `EmbeddingModel`.
        path: Folder to create. TensorFlow Serving expects the last part to
            be a version number, as in `"emoji/1"`.
        evaluation: Pair `(x, ids)` to compare on, instead of made-up inputs:
            a dict of raw examples by modality, and one id per example, equal
            where two examples describe the same item.
        input_signature: Dict by modality of `tf.TensorSpec`, the preprocessed
            input, for encoders that do not declare theirs by `keras.Input`.
        batch_size: Integer, examples run at once in the comparison.
        tolerance: Float, the largest absolute error allowed. It grows with
            the largest value of an embedding if that is above 1. Defaults to
            1e-5, and 2e-2 for models in mixed or half precision.

    Returns:
        Dict with the keys `format`, `bytes` (of all files), `max_abs_error`,
        `mean_cosine` and `min_cosine` (the worst endpoint's), `endpoints`: by
        name, these three, `num_examples` and the `input`. With an evaluation
        set of modalities that the model compares, also `R@1_before` and
        `R@1` after the export, means over the directions, and `retrieval`:
        `{"image_to_text": {"before": {...}, "after": {...}}, ...}` as from
        `kx.metrics.retrieval_report`, equal examples of one id counted once.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the input of a modality is not known, `evaluation` does
            not fit or the model's embeddings are not finite.
        FileExistsError: If there is something at `path`.
        RuntimeError: If the exported model differs from Keras.

    Example:
        ```python
        import tempfile
        import numpy as np
        import tensorflow as tf
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/vectors/1"
        report = kx.export.saved_model(model, path)
        print(report["max_abs_error"] < 1e-5)  # True

        signatures = tf.saved_model.load(path).signatures
        x = tf.ones((2, 12))
        print(signatures["embed_image"](image=x)["embedding"].shape)  # (2, 4)
        ```
    """
    examples, ids = check_arguments(model, path, evaluation, batch_size)
    towers = find_towers(model, examples, input_signature)
    archive.build(model, towers)
    functions = {
        name: (tower.function(model, kind), tower.signature(kind))
        for tower in towers
        for name, kind in tower.endpoints().items()
    }
    default = list(towers[0].endpoints())[-1]
    if tolerance is None:
        tolerance = 1e-5 if is_float32(model) else 2e-2
    with atomic_folder(path) as folder:
        archive.write_archive(model, functions, folder, default)
        comparison = report.compare(
            model,
            towers,
            archive.read_archive(folder, functions),
            (examples, ids),
            batch_size,
            tolerance,
        )
        for name, (_, signature) in functions.items():
            comparison["endpoints"][name]["input"] = report.describe(signature)
        result = {
            "format": "saved_model",
            "bytes": report.total_bytes(folder),
            **comparison,
        }
        file = folder / "assets.extra" / "report.json"
        return report.write_report(result, file)


def check_arguments(model, path, evaluation, batch_size):
    """Check what both exports take, before anything is computed or written.

    Args:
        model: `EmbeddingModel`.
        path: Path that does not exist yet.
        evaluation: None or a pair `(x, ids)`.
        batch_size: Positive integer.

    Returns:
        Pair as from `samples.check_evaluation`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a value is out of range or does not fit the model.
        FileExistsError: If there is something at `path`.
    """
    if not isinstance(model, EmbeddingModel):
        raise TypeError(
            "`model` must be an `EmbeddingModel`. "
            f"Received: model of type {type(model).__name__}"
        )
    check_new(path)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            "`batch_size` must be a positive integer. "
            f"Received: batch_size={batch_size}"
        )
    return samples.check_evaluation(model, evaluation)
