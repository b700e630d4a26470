"""Checks of what a user passes to a `GANModel`, before training starts."""

import keras
import numpy as np

from keras_xmodal import checks
from keras_xmodal.models.encoders import one_tensor

# Second derivatives that TensorFlow gets wrong without an error, or lacks.
_UNSAFE_LAYERS = (keras.layers.Resizing,)


def check_arguments(model_arguments):
    """Check the arguments of the constructor."""
    a = model_arguments
    for name in (
        "generator",
        "discriminator",
        "condition_encoder",
        "augmenter",
    ):
        checks.keras_layer(name, a[name], optional=True)
    if (a["generator"] is None) != (a["discriminator"] is None):
        raise ValueError(
            "`generator` and `discriminator` must be given together. Received: "
            f"generator={a['generator']}, discriminator={a['discriminator']}"
        )
    textbook = a["generator"] is None
    if textbook == (a["output_dim"] is None):
        raise ValueError(
            "Either `output_dim`, with `input_dim` for a condition, or "
            "`generator` and `discriminator` must be given. Received: "
            f"input_dim={a['input_dim']}, output_dim={a['output_dim']}, "
            f"generator={a['generator']}"
        )
    if not textbook and a["input_dim"] is not None:
        raise ValueError(
            "`input_dim` belongs to the textbook's networks; leave it out "
            "where `generator` is given. "
            f"Received: input_dim={a['input_dim']}"
        )
    if textbook and a["conditional"] != (a["input_dim"] is not None):
        raise ValueError(
            "`conditional` must be True with an `input_dim`, and False "
            f"without. Received: conditional={a['conditional']}, "
            f"input_dim={a['input_dim']}"
        )
    for name in ("condition", "target"):
        if a[name] is not None:
            checks.modality_names(name, (a[name],))
    for name in ("input_dim", "output_dim", "latent_dim"):
        checks.positive_integer(name, a[name], optional=True)
    checks.in_range("ema_momentum", a["ema_momentum"], 0, 1, "[)")
    if not a["conditional"] and (a["condition_encoder"] or a["condition"]):
        raise ValueError(
            "A model without conditions takes no `condition_encoder` and no "
            "`condition`. Received: "
            f"condition_encoder={a['condition_encoder']}, "
            f"condition={a['condition']!r}"
        )
    named = a["target"] is not None
    if a["conditional"] and named != (a["condition"] is not None):
        raise ValueError(
            "`condition` and `target` must be given together. Received: "
            f"condition={a['condition']!r}, target={a['target']!r}"
        )
    if named and a["condition"] == a["target"]:
        raise ValueError(
            "`condition` and `target` must be two modalities. "
            f"Received: {a['target']!r} for both"
        )
    for name in ("generator", "discriminator"):
        _check_number_of_inputs(name, a[name], a["conditional"])


def _check_number_of_inputs(name, network, conditional):
    expected = 2 if conditional else 1
    if isinstance(network, keras.Sequential):
        received = 1
    else:
        received = len(getattr(network, "inputs", None) or range(expected))
    if received != expected:
        other = "noise" if name == "generator" else "target"
        raise ValueError(
            f"`{name}` must take a list of {other} and condition, as "
            f"`keras.Model([{other}, condition], output)` does, or the {other} "
            "alone where `conditional=False`. Received: a network of "
            f"{received} inputs, conditional={conditional}"
        )


def check_logits(discriminator, logits, argument="discriminator"):
    """Check what the discriminator returns."""
    shape = tuple(one_tensor(argument, logits).shape)
    if shape not in ((None,), (None, 1)):
        raise ValueError(
            f"`{argument}` must return one logit for each example, of shape "
            f"(batch, 1) or (batch,). Received: output shape {shape}"
        )
    activation = last_activation(discriminator)
    if activation in (keras.activations.sigmoid, keras.activations.softmax):
        raise ValueError(
            f"`{argument}` must return logits: the loss takes the sigmoid. "
            f"Received: a last layer with activation {activation.__name__}"
        )


def check_compile(model, mismatch_weight, discriminator_steps):
    """Check the arguments of `compile` that are a `GANModel`'s own."""
    checks.positive_integer("discriminator_steps", discriminator_steps)
    checks.in_range("mismatch_weight", mismatch_weight, 0, 1)
    replicas = model.distribute_strategy.num_replicas_in_sync
    if mismatch_weight and replicas > 1:
        raise ValueError(
            "`mismatch_weight` must be 0 under a strategy of several replicas, "
            "which see each only a part of the batch. Received: "
            f"mismatch_weight={mismatch_weight}, {replicas} replicas"
        )
    if mismatch_weight and not model.conditional:
        raise ValueError(
            "`mismatch_weight` needs conditions. Received: "
            f"mismatch_weight={mismatch_weight} for a model without"
        )


def check_penalties(penalties, networks, conditional):
    """Check that penalties fit together, and networks fit them."""
    names = [penalty.name for penalty in penalties]
    if len(set(names)) < len(names):
        raise ValueError(
            "`penalties` must have different names. "
            f"Received: penalties named {names}"
        )
    of_condition = [p.name for p in penalties if p.of_condition]
    if of_condition and not conditional:
        raise ValueError(
            "A penalty on the gradient by the condition needs conditions. "
            f"Received: penalties named {of_condition}, for a model without"
        )
    for network in networks if penalties else ():
        check_second_derivatives(network, names)


def check_one_optimizer(generator_optimizer, discriminator_optimizer):
    """Check that what `optimizer` stands for is not given besides."""
    given = (generator_optimizer, discriminator_optimizer)
    if given != (None, None):
        raise ValueError(
            "`optimizer` is for both networks: leave it out where "
            "`generator_optimizer` or `discriminator_optimizer` is given. "
            f"Received: optimizers {given} besides"
        )


def check_two_optimizers(generator_optimizer, discriminator_optimizer):
    """Check that each network has an optimizer of its own."""
    if generator_optimizer is discriminator_optimizer:
        raise ValueError(
            "`generator_optimizer` and `discriminator_optimizer` must be two "
            f"optimizers. Received: {generator_optimizer!r} for both"
        )


def check_second_derivatives(network, penalties):
    """Refuse layers whose second derivatives are wrong without an error."""
    if network is None:
        return
    for layer in network._flatten_layers():
        interpolation = getattr(layer, "interpolation", "nearest")
        if isinstance(layer, _UNSAFE_LAYERS) or interpolation != "nearest":
            raise ValueError(
                "A gradient penalty must not go through layers that "
                "interpolate: TensorFlow gets their second derivatives wrong. "
                "Use `UpSampling2D(interpolation='nearest')`, pooling or "
                "strides, or `penalties=[]`. Received: "
                f"{type(layer).__name__} {layer.name!r} with penalties "
                f"{penalties}"
            )
    for operation in getattr(network, "operations", ()):
        name = type(operation).__name__
        if name in ("Resize", "AffineTransform", "MapCoordinates"):
            raise ValueError(
                "A gradient penalty must not go through operations that "
                "interpolate: TensorFlow gets their second derivatives wrong. "
                f"Received: {name} {operation.name!r} with penalties "
                f"{penalties}"
            )


def last_activation(network):
    """Find the activation function that ends a network."""
    layers = getattr(network, "layers", None) or [network]
    last = getattr(layers[-1], "layer", layers[-1])  # Of a wrapper.
    if last is not network and getattr(last, "layers", None):
        return last_activation(last)
    activation = getattr(last, "activation", None)
    return activation if callable(activation) else None


def check_named(model, x, names=None):
    """Check a dict of modalities."""
    checks.modalities("x", x, model.modalities)
    names = model.modalities if names is None else names
    if not set(names) <= set(x):
        raise ValueError(
            f"`x` must hold the modalities {list(names)}. "
            f"Received: x with keys {list(x)}"
        )


def are_ids(y):
    """Whether targets, arrays or specs, are integers, one for each example."""
    if isinstance(y, (list, tuple)):
        y = np.asarray(checks.array("y", y))
    dtype = getattr(y, "dtype", None)
    name = str(getattr(dtype, "name", dtype))
    return name.startswith(("int", "uint")) and len(y.shape) == 1


def check_no_targets(model, y):
    """Check that `y` holds ids, if anything, where `x` holds the targets."""
    if y is None or are_ids(y):
        return
    where = "in its dict" if model.modalities else "alone"
    raise ValueError(
        f"`x` must hold the targets, {where}, and `y` None or integer ids: a "
        "model of `y` given `x` has an `input_dim`, or networks with "
        "`conditional=True`. Received: y of "
        + (f"shape {tuple(y.shape)}" if hasattr(y, "shape") else f"{type(y)}")
    )


def check_range(generator, target, argument="Targets"):
    """Check that a generator can make the targets."""
    target = np.asarray(target)
    if target.dtype != bool:
        checks.real_numbers(argument.strip("`"), target)
    ranges = {
        keras.activations.sigmoid: (0.0, 1.0),
        keras.activations.softmax: (0.0, 1.0),
        keras.activations.tanh: (-1.0, 1.0),
    }
    activation = last_activation(generator)
    if activation not in ranges:
        return
    low, high = ranges[activation]
    if not target.size:
        return
    smallest, largest = float(np.min(target)), float(np.max(target))
    if smallest < low - 1e-6 or largest > high + 1e-6:
        raise ValueError(
            f"{argument} must be in [{low:g}, {high:g}], the range of the "
            f"generator's last activation, {activation.__name__}. "
            f"Received: values from {smallest:g} to {largest:g}"
        )


def check_target_shape(model, target):
    """Compare the shape of targets with what the generator makes."""
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


def check_callbacks(callbacks):
    """Check that no callback looks for the one optimizer of a model."""
    of_one_optimizer = (
        keras.callbacks.LearningRateScheduler,
        keras.callbacks.ReduceLROnPlateau,
        keras.callbacks.SwapEMAWeights,
    )
    for callback in callbacks:
        if isinstance(callback, of_one_optimizer):
            raise ValueError(
                "A callback of the optimizer must say which of the two it "
                "means: `kx.callbacks.ForOptimizer('generator_optimizer', "
                "callback)` for `LearningRateScheduler` and "
                "`ReduceLROnPlateau`; the average of weights is the model's "
                f"own, `ema_momentum`. Received: {type(callback).__name__}"
            )


def check_last_batch(networks, size, replicas=1):
    """Check that no batch of one meets a layer of batch statistics."""
    layers = {
        type(layer).__name__
        for network in networks
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        or getattr(layer, "batch_statistics", False)
    }
    if size is not None and size < 2 * replicas and layers:
        count = "one" if size == 1 else size
        least = "two examples at least"
        if replicas > 1:
            least += " for each replica"
        raise ValueError(
            f"Every batch must hold {least}, for the network has layers of "
            f"batch statistics. Received: a batch of {count}, with "
            f"{sorted(layers)}"
        )


def check_generate(model, condition, z, seed, num_examples):
    """Check the arguments of `generate`; return the number of examples."""
    if model.conditional != (condition is not None):
        hint = (
            ""
            if model.conditional
            else (". Without conditions, it is `generate(num_examples=3)`")
        )
        raise ValueError(
            "`condition` must be given exactly where the model takes "
            f"conditions. Received: condition of type "
            f"{type(condition).__name__}, conditional={model.conditional}{hint}"
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
        checks.shape("z", np.shape(z), (None, model.latent_dim))
        sizes["z"] = len(z)
    if seed is not None and checks.array("seed", seed).ndim:
        sizes["seed"] = len(seed)
    if num_examples is not None:
        sizes["num_examples"] = checks.positive_integer(
            "num_examples", num_examples
        )
    if not sizes:
        raise ValueError(
            "`num_examples` must say how many examples to generate. "
            "Received: num_examples=None"
        )
    return checks.same_length("condition", sizes, least=1)
