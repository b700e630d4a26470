"""Checks of the data of a `GANModel`, before training starts."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal.models import checks
from keras_xmodal.models.gan_checks import (
    check_positive_integer,
    last_activation,
)


def check_named(model, x):
    """Check a dict of modalities that the model trains on.

    Args:
        model: `GANModel` with names.
        x: What should be a dict with both modalities.

    Raises:
        TypeError: If it is no dict.
        ValueError: If a modality is missing or unknown.
    """
    checks.check_modalities(x, model.modalities)
    missing = [name for name in model.modalities if name not in x]
    if missing:
        raise ValueError(
            f"`x` must hold the modalities {list(model.modalities)}. "
            f"Received: x with keys {list(x)}"
        )


def check_arrays(model, condition, target, weight):
    """Check arrays before the first step.

    Args:
        model: `GANModel`.
        condition: Structure of arrays, `()` for none.
        target: Array.
        weight: Array of shape `(examples,)`, or None.

    Raises:
        ValueError: If they are empty, of unequal sizes or not finite, or
            targets are outside the generator's range.
    """
    arrays = {"target": target}
    for i, leaf in enumerate(keras.tree.flatten(condition)):
        arrays["condition" if i == 0 else f"condition[{i}]"] = leaf
    if weight is not None:
        arrays["sample_weight"] = weight
    sizes = {name: len(value) for name, value in arrays.items()}
    checks.check_same_batch_size(sizes)
    if not sizes["target"]:
        raise ValueError(
            f"`x` must hold at least one example. Received: sizes {sizes}"
        )
    for name, value in arrays.items():
        if not tf.is_tensor(value) or value.dtype.is_floating:
            checks.check_finite(value, name)
    check_range(model.generator, target)


def check_range(generator, target, argument="Targets"):
    """Check that a generator can make the targets.

    Args:
        generator: Keras layer.
        target: Array.
        argument: What it is called in the error.

    Raises:
        ValueError: If targets are outside the range of its last activation.
    """
    ranges = {
        keras.activations.sigmoid: (0.0, 1.0),
        keras.activations.softmax: (0.0, 1.0),
        keras.activations.tanh: (-1.0, 1.0),
    }
    activation = last_activation(generator)
    if activation not in ranges:
        return
    low, high = ranges[activation]
    target = np.asarray(target)
    smallest, largest = float(np.min(target)), float(np.max(target))
    if smallest < low - 1e-6 or largest > high + 1e-6:
        raise ValueError(
            f"{argument} must be in [{low:g}, {high:g}], the range of the "
            f"generator's last activation, {activation.__name__}. "
            f"Received: values from {smallest:g} to {largest:g}"
        )


def check_target_shape(model, target):
    """Compare the shape of targets with what the generator makes.

    Args:
        model: `GANModel`, built.
        target: Array, or tensor spec, with the batch.

    Raises:
        ValueError: If a known size differs.
    """
    received, expected = tuple(target.shape[1:]), model.target_shape
    fits = len(received) == len(expected) and all(
        a is None or b is None or a == b
        for a, b in zip(received, expected, strict=True)
    )
    if not fits:
        raise ValueError(
            "Targets must have the shape of what the generator makes, "
            f"{(None, *expected)}. Received: targets of shape "
            f"{(None, *received)}"
        )


def check_batches(networks, x, target, options):
    """Check that no batch of one meets a layer of batch statistics.

    Args:
        networks: Keras layers in training.
        x: Dataset or arrays.
        target: Array, or tensor spec.
        options: Dict of the arguments of `fit`.

    Raises:
        ValueError: If one does.
    """
    layers = [
        layer
        for network in networks
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        or getattr(layer, "batch_statistics", False)
    ]
    if not layers:
        return
    if isinstance(x, tf.data.Dataset):
        last = target.shape[0]
    else:
        held_out = options.get("validation_split") or 0.0
        count = int(len(target) * (1.0 - held_out))
        batch_size = options.get("batch_size") or 32
        last = count % batch_size or batch_size
    if last == 1:
        raise ValueError(
            "Every batch must hold two examples at least, for the network has "
            "layers of batch statistics. Received: a batch of one, with "
            f"{sorted({type(layer).__name__ for layer in layers})}"
        )


def check_generate(model, condition, z, seed, num_examples):
    """Check the arguments of `generate`; return the number of examples.

    Args:
        model: `GANModel`.
        condition: Structure of arrays, or None.
        z: Array or None.
        seed: Integer, integers or None.
        num_examples: Integer or None.

    Returns:
        Integer.

    Raises:
        ValueError: If they do not fit.
    """
    if model.conditional != (condition is not None):
        raise ValueError(
            "`condition` must be given exactly where the model takes "
            f"conditions. Received: condition of type "
            f"{type(condition).__name__}, conditional={model.conditional}"
        )
    if z is not None and seed is not None:
        raise ValueError(
            "Give either `z` or `seed`, from which noise is drawn. "
            f"Received: both, seed={seed}"
        )
    sizes = {}
    if condition is not None:
        for i, leaf in enumerate(keras.tree.flatten(condition)):
            sizes[f"condition[{i}]"] = len(leaf)
    if z is not None:
        checks.check_shape("z", np.asarray(z), (None, model.latent_dim))
        sizes["z"] = len(z)
    if seed is not None and np.ndim(seed):
        sizes["seed"] = len(seed)
    if num_examples is not None:
        check_positive_integer("num_examples", num_examples)
        sizes["num_examples"] = num_examples
    if not sizes:
        raise ValueError(
            "`num_examples` must say how many examples to generate. "
            "Received: num_examples=None"
        )
    checks.check_same_batch_size(sizes, "condition")
    count = next(iter(sizes.values()))
    if not count:
        raise ValueError(
            f"There must be an example to generate. Received: sizes {sizes}"
        )
    return count
