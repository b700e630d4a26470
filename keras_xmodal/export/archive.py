"""SavedModels with one named signature per endpoint."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal.export import samples
from keras_xmodal.export.towers import OUTPUT


def write_archive(model, functions, folder, default=None):
    """Write a SavedModel.

    Args:
        model: `EmbeddingModel`, built.
        functions: Dict of pairs (function, `tf.TensorSpec`) by endpoint.
        folder: Path of a folder to write into.
        default: Name of the endpoint that is `serving_default` as well.
            Defaults to the first.
    """
    archive = keras.export.ExportArchive()
    # Variables are found in the endpoints, lookup tables are not. The archive
    # would write the variables of a layer that it tracks itself a second time.
    tables = tf.Module()
    tables.layers = [model, *model.preprocessors.values()]
    archive.track(tables)
    default = default or next(iter(functions))
    for name in sorted(functions, key=lambda name: name != default):
        function, signature = functions[name]
        archive.add_endpoint(name, function, [signature])
    archive.write_out(str(folder), verbose=False)


def read_archive(folder, names):
    """Load a SavedModel back.

    Args:
        folder: Path of the SavedModel.
        names: Names of the endpoints to give.

    Returns:
        Dict of functions by endpoint, from a NumPy array of shape
        `(batch, ...)` to one of shape `(batch, embedding_dim)`.
    """
    loaded = tf.saved_model.load(str(folder))

    def runner(name):
        (key,) = loaded.signatures[name].structured_input_signature[1]

        def run(x):
            # By way of `loaded`: signatures alone do not keep variables alive.
            signature = loaded.signatures[name]
            return np.asarray(signature(**{key: tf.constant(x)})[OUTPUT])

        return run

    return {name: runner(name) for name in names}


def build(model, towers):
    """Build a model that was not called yet, on made-up inputs.

    Args:
        model: `EmbeddingModel`.
        towers: List of `Tower`.
    """
    if not model.built:
        model(sample_inputs(towers), training=False)


def sample_inputs(towers):
    """Made-up preprocessed input of a model: a dict, or one array.

    Args:
        towers: List of `Tower`.

    Returns:
        Dict of arrays by modality, or one array for a model of one tensor.
    """
    inputs = {tower.modality: samples.tensor(tower.tensor) for tower in towers}
    return inputs.get(None, inputs)
