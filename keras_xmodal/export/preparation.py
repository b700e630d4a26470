"""What all exports begin with."""

from keras_xmodal import checks, files
from keras_xmodal.export import samples
from keras_xmodal.export.batches import call_inputs
from keras_xmodal.export.float32_twin import is_float32
from keras_xmodal.export.towers import find_towers


def check_arguments(model, path, evaluation, batch_size, tolerance):
    """Check what all exports take, before anything is computed or written.

    Returns the examples and ids of `evaluation`.
    """
    checks.serving_model("model", model)
    files.check_new(path)
    checks.positive_integer("batch_size", batch_size)
    checks.not_negative("tolerance", tolerance, optional=True)
    return samples.check_evaluation(model, evaluation)


def find_inputs(model, examples, input_signature):
    """The towers of a model, which is built for them."""
    towers = find_towers(model, examples, input_signature)
    if not model.built:
        model._call_on(call_inputs(model, towers))
    return towers


def choose_tolerance(model, tolerance, least=1e-5):
    """The tolerance, or what the precision of a model allows."""
    if tolerance is not None:
        return tolerance
    return least if is_float32(model) else max(least, 2e-2)
