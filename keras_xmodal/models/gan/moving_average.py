"""The moving average of a network's weights, in a second network."""

import keras
import tensorflow as tf


def clone(generator):
    """A copy of a network, before it has weights."""
    # Classes that nobody registered are known from the network itself.
    classes = {type(part).__name__: type(part) for part in _parts(generator)}
    try:
        with keras.saving.custom_object_scope(classes):
            copy = type(generator).from_config(generator.get_config())
    except Exception as error:
        raise ValueError(
            "`generator` must be copied for its average, so it needs "
            "`get_config` and `from_config`; or set `ema_momentum=0`. "
            f"Received: {type(generator).__name__}, whose copy fails with: "
            f"{error}"
        ) from error
    copy.trainable = False
    return copy


def _parts(network):
    return [
        part
        for part in network._flatten_layers()
        if not type(part).__module__.startswith("keras.")
    ]


def follow(average, network, momentum):
    """Move an average towards the network, on all replicas."""
    if average is network:
        return
    # Moving statistics and counts are no average of weights.
    trained = {id(v) for v in network.trainable_variables}
    pairs = []
    for target, variable in zip(
        average.variables, network.variables, strict=True
    ):
        value = variable.value
        if id(variable) in trained:
            old = target.value
            value = old + (1 - momentum) * (value - old)
        pairs.append((target, value))
    _assign(pairs)


def _assign(pairs):
    if not tf.distribute.has_strategy():
        for variable, value in pairs:
            variable.assign(value)
        return

    def assign(strategy, *values):
        for (variable, _), value in zip(pairs, values, strict=True):
            strategy.extended.update(
                variable.value, lambda v, new: v.assign(new), args=(value,)
            )

    tf.distribute.get_replica_context().merge_call(
        assign, args=tuple(value for _, value in pairs)
    )
