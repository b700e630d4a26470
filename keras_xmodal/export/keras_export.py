"""`keras.Model.export` of the models of this package."""

import keras
import tensorflow as tf

from keras_xmodal.export import archive
from keras_xmodal.export.signature import open_batch
from keras_xmodal.export.signatures import find_signatures
from keras_xmodal.export.towers import find_towers


def keras_export(model, filepath, verbose=None, input_signature=None):
    """Write `serve`, what a call of the model gives, and all signatures."""
    given = input_signature
    if isinstance(given, (list, tuple)) and len(given) == 1:
        (given,) = given
    known = None
    if isinstance(given, dict):
        given = known = {
            name: tf.TensorSpec(spec.shape, spec.dtype, name)
            for name, spec in given.items()
        }
    towers = find_towers(model, input_signature=known)
    if given is None:
        given = _call_input(model, towers)

    def serve(x):
        outputs = model(x, training=False)
        return keras.tree.map_structure(open_batch, outputs)

    archive.write_archive(
        model,
        find_signatures(model, towers, texts=True),
        filepath,
        serve=(serve, given),
        verbose=verbose is None or verbose,
    )


def _call_input(model, towers):
    """What a call takes: all modalities, the one tensor, or latents."""
    shape = model.get_build_config()["input_shape"]
    if isinstance(shape, dict):
        return {tower.name: tower.tensor for tower in towers}
    if towers:
        return towers[0].tensor
    return tf.TensorSpec((None, *shape[1:]), tf.float32, "z")
