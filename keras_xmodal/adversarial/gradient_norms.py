"""Norms of the gradient of a discriminator, on which penalties are built."""

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal.ops.weighted_mean import weighted_mean


def logits_and_gradient_norms(discriminate, points, features, penalties):
    """Logits at points, and the squared norms of their gradients.

    One forward pass gives both: the logit of an example depends on that
    example, so the gradient of the sum holds the gradient of each. It is the
    gradient by the target before it is augmented.

    Args:
        discriminate: Function of a batch and features to logits.
        points: Dict `{location: batch}`.
        features: Structure of tensors, the condition; `()` for none.
        penalties: List of penalties; without any there are no norms.

    Returns:
        Pair of dicts: `{location: (batch,)}`, the logits, and `{(location,
        of_condition): (batch,)}`, the squared norms.
    """
    if not penalties:
        return {
            place: discriminate(x, features) for place, x in points.items()
        }, {}
    conditions = {
        place: keras.tree.map_structure(tf.identity, features)
        for place in points
    }
    of_condition = any(p.of_condition for p in penalties)
    watched = (points, conditions if of_condition else {})
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(keras.tree.flatten(watched))
        logits = {
            place: discriminate(x, conditions[place])
            for place, x in points.items()
        }
        total = sum(ops.sum(value) for value in logits.values())
    gradients = tape.gradient(
        total, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    norms = {}
    for place in points:
        norms[place, False] = _squared_norm(gradients[0][place])
        if of_condition:
            norms[place, True] = norms[place, False] + sum(
                _squared_norm(g)
                for g in keras.tree.flatten(gradients[1][place])
            )
    return logits, norms


def penalty_values(penalties, norms, weight=None):
    """Dict `{name of the penalty: scalar}` of what squared norms cost."""
    return {
        p.name: weighted_mean(p(norms[p.location, p.of_condition]), weight)
        for p in penalties
    }


def _squared_norm(gradient):
    gradient = ops.cast(gradient, "float32")
    return ops.sum(
        ops.square(gradient), axis=list(range(1, len(gradient.shape)))
    )
