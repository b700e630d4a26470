"""SavedModels of named signatures."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal.export import samples


def write_archive(model, signatures, folder, default=None):
    """Write a SavedModel."""
    archive = keras.export.ExportArchive()
    # Variables are found in the endpoints, lookup tables are not. The archive
    # would write the variables of a layer that it tracks itself a second time.
    tables = tf.Module()
    tables.layers = [model, *model.preprocessors.values()]
    tables.resources = [s.resources for s in signatures]
    archive.track(tables)
    default = default or signatures[0].name
    for signature in sorted(signatures, key=lambda s: s.name != default):
        archive.add_endpoint(
            signature.name, signature.function(model), signature.inputs
        )
    archive.write_out(str(folder), verbose=False)


def read_archive(folder, signatures):
    """Load a SavedModel back."""
    loaded = tf.saved_model.load(str(folder))

    def runner(name):
        def run(inputs):
            # By way of `loaded`: signatures alone do not keep variables alive.
            outputs = loaded.signatures[name](
                **{key: tf.constant(value) for key, value in inputs.items()}
            )
            return {key: np.asarray(value) for key, value in outputs.items()}

        return run

    return {s.name: runner(s.name) for s in signatures}


def call_inputs(model, towers):
    """Made-up preprocessed inputs of all towers, a dict by modality."""
    encoders = getattr(model, "encoders", {})
    return {
        tower.modality: samples.fitting(
            encoders.get(tower.modality), tower.tensor
        )
        for tower in towers
    }
