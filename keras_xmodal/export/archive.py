"""SavedModels of named signatures."""

import keras
import numpy as np
import tensorflow as tf


def write_archive(
    model, signatures, folder, default=None, serve=None, verbose=False
):
    """Write a SavedModel, with `serve`, a function and its input, the first."""
    archive = keras.export.ExportArchive()
    # Variables are found in the endpoints, lookup tables are not. The archive
    # would trace all functions of a layer to find its tables, and write its
    # variables a second time.
    layers = _layers(model)
    if any(signature.raw for signature in signatures):
        layers = [model, *model.preprocessors.values()]
    tables = tf.Module()
    tables.resources = [_tables(layers), [s.resources for s in signatures]]
    archive.track(tables)
    if serve is not None:
        archive.add_endpoint("serve", serve[0], [serve[1]])
    default = default or signatures[0].name
    for signature in sorted(signatures, key=lambda s: s.name != default):
        # One argument each, as `keras.layers.TFSMLayer` gives.
        inputs = {spec.name: spec for spec in signature.inputs}
        archive.add_endpoint(
            signature.name,
            signature.function(model),
            [inputs] if len(inputs) > 1 else signature.inputs,
        )
    archive.write_out(str(folder), verbose=verbose)


def _tables(layers):
    """Lookup tables, and what else is no variable, of some layers."""
    found = {
        id(part): part
        for layer in layers
        for part in tf.train.TrackableView(layer).descendants()
        if isinstance(part, tf.saved_model.experimental.TrackableResource)
    }
    return [*found.values()]


def _layers(model):
    """Layers of a model that compute on preprocessed batches."""
    preprocessors = {id(layer) for layer in model.preprocessors.values()}
    return [
        layer
        for layer in model._flatten_layers(include_self=False, recursive=False)
        if id(layer) not in preprocessors
    ]


def read_archive(folder, names):
    """Load a SavedModel back: a function for each signature."""
    loaded = tf.saved_model.load(str(folder))

    def runner(name):
        loaded.signatures[name]  # or an error at once

        def run(inputs):
            # By way of `loaded`: signatures alone do not keep variables alive.
            outputs = loaded.signatures[name](
                **{key: tf.constant(value) for key, value in inputs.items()}
            )
            return {key: np.asarray(value) for key, value in outputs.items()}

        return run

    return {name: runner(name) for name in names}
