"""A model in a pipeline of Apache Beam."""

import os
from typing import Any

from keras_xmodal import checks


def beam_model_handler(
    model: str | os.PathLike,
    modality: str,
    batch_size: int = 256,
) -> Any:
    """Make a model handler for Beam's `RunInference`.

    Beam's own one for TensorFlow loads no SavedModel under Keras 3. This one
    takes raw examples of a modality, such as texts or the contents of files,
    and gives embeddings; `KeyedModelHandler` of it takes `(id, example)`.
    For a corpus in files, `kx.pipelines.embed_with_beam` is simpler, and goes
    on after a stop.

    It needs `pip install 'keras-xmodal[beam]'`.

    Args:
        model: Path of a `.keras` file or a SavedModel that all workers can
            read.
        modality: Name of the modality of the examples.
        batch_size: Positive integer, examples embedded at once, at most.

    Returns:
        `apache_beam.ml.inference.base.ModelHandler`, whose
        `PredictionResult.inference` is an array of shape `(dim,)`.

    Raises:
        TypeError: If an argument has the wrong type.
        ImportError: If Apache Beam is not installed.

    Example:
        ```python
        import importlib.util

        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        kx.export.saved_model(model, "vectors/1")
        if importlib.util.find_spec("apache_beam"):
            handler = kx.pipelines.beam_model_handler("vectors/1", "text")
            loaded = handler.load_model()
            (result,) = handler.run_inference([np.ones(7)], loaded)
            print(result.inference.shape)  # (4,)
        ```
    """
    path = str(checks.path("model", model))
    modality = checks.string("modality", modality)
    batch_size = checks.positive_integer("batch_size", batch_size)
    handlers = load_handlers("beam_model_handler")
    return handlers.EmbeddingHandler(path, modality, batch_size)


def load_handlers(user):
    """Import the handlers of Apache Beam, or say how to install it."""
    try:
        from keras_xmodal.pipelines import beam_handlers
    except ImportError as error:
        raise ImportError(
            f"`kx.pipelines.{user}` needs Apache Beam: "
            "pip install 'keras-xmodal[beam]'"
        ) from error
    return beam_handlers
