"""SavedModels with one named signature per endpoint."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal.export import samples
from keras_xmodal.models import GANModel


def write_archive(model, endpoints, folder, default=None):
    """Write a SavedModel.

    Args:
        model: `EmbeddingModel`, `GANModel` or `VAEModel`, built.
        endpoints: List of `Endpoint`.
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
    default = default or endpoints[0].name
    for endpoint in sorted(endpoints, key=lambda e: e.name != default):
        archive.add_endpoint(
            endpoint.name, endpoint.function(model), endpoint.inputs
        )
    archive.write_out(str(folder), verbose=False)


def read_archive(folder, endpoints):
    """Load a SavedModel back.

    Args:
        folder: Path of the SavedModel.
        endpoints: List of `Endpoint`.

    Returns:
        Dict of functions by endpoint, from a dict of NumPy arrays by the
        inputs' names to one by the outputs' names.
    """
    loaded = tf.saved_model.load(str(folder))

    def runner(name):
        def run(inputs):
            # By way of `loaded`: signatures alone do not keep variables alive.
            outputs = loaded.signatures[name](
                **{key: tf.constant(value) for key, value in inputs.items()}
            )
            return {key: np.asarray(value) for key, value in outputs.items()}

        return run

    return {endpoint.name: runner(endpoint.name) for endpoint in endpoints}


def build(model, towers):
    """Build a model that was not called yet, on made-up inputs.

    Args:
        model: `EmbeddingModel`, `GANModel` or `VAEModel`.
        towers: List of `Tower`.
    """
    if not model.built:
        model(sample_inputs(model, towers), training=False)


def sample_inputs(model, towers):
    """Made-up preprocessed input of a model: a dict, or one array.

    Args:
        model: `EmbeddingModel`, `GANModel` or `VAEModel`.
        towers: List of `Tower`.

    Returns:
        Dict of arrays by modality, or one array for a model of one tensor.
    """
    inputs = {tower.modality: samples.tensor(tower.tensor) for tower in towers}
    if isinstance(model, GANModel):
        noise = samples.tensor(tf.TensorSpec((None, model.latent_dim)))
        return next(iter(inputs.values()), noise)
    return inputs.get(None, inputs)
