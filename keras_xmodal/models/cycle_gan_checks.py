"""Checks of what a user passes to a `CycleGANModel`."""

import keras
import tensorflow as tf

from keras_xmodal.models import checks, gan_checks, gan_data_checks

_NOT_HERE = ("sample_weight", "class_weight", "validation_split")


def check_networks(generators, discriminators):
    """Check the networks of two modalities.

    Args:
        generators: Dict of Keras layers.
        discriminators: Dict of Keras layers.

    Raises:
        ValueError: If the modalities are not two, and the same, or a network
            is given twice or takes several inputs.
    """
    if len(generators) != 2:
        raise ValueError(
            "`generators` must hold the networks of exactly two modalities. "
            f"Received: generators with keys {list(generators)}"
        )
    if set(discriminators) != set(generators):
        raise ValueError(
            "`generators` and `discriminators` must be of the same "
            f"modalities. Received: {list(generators)} and "
            f"{list(discriminators)}"
        )
    for argument, networks in (
        ("generators", generators),
        ("discriminators", discriminators),
    ):
        first, second = networks.values()
        if first is second:
            raise ValueError(
                f"`{argument}` must be two networks. "
                f"Received: {first!r} for both"
            )
        for name, network in networks.items():
            count = len(_inputs(network) or (None,))
            if count != 1:
                raise ValueError(
                    f"`{argument}[{name!r}]` must take one input. "
                    f"Received: a network of {count} inputs"
                )


def known_shapes(generators):
    """Shapes of both modalities, where the generators tell.

    Args:
        generators: Dict of Keras layers.

    Returns:
        Dict `{modality: shape}`, or None.
    """
    first, second = generators
    inputs = [_inputs(generators[name]) for name in (second, first)]
    if not all(inputs):
        return None
    return {
        name: (None, *given[0].shape[1:])
        for name, given in zip((first, second), inputs, strict=True)
    }


def _inputs(network):
    if isinstance(network, keras.Sequential) and not network.built:
        return None
    return getattr(network, "inputs", None)


def check_output(name, output, expected):
    """Check the shape of what a generator makes.

    Args:
        name: Name of the modality.
        output: Symbolic tensor.
        expected: Shape of the modality's data.

    Raises:
        ValueError: If it is another one.
    """
    if not _same(output.shape[1:], expected[1:]):
        raise ValueError(
            f"`generators[{name!r}]` must make what {name!r} is, of shape "
            f"{(None, *expected[1:])}, from the other modality. "
            f"Received: output shape {tuple(output.shape)}"
        )


def check_identity(identity_weight, shapes):
    """Check that a generator can take what it makes.

    Args:
        identity_weight: Number.
        shapes: Dict of the shapes of both modalities, without the batch; or
            None, where they are not known yet.

    Raises:
        ValueError: If the shapes differ.
    """
    if identity_weight and shapes and not _same(*shapes.values()):
        raise ValueError(
            "`identity_weight` needs modalities of equal shapes, for each "
            "generator is given what it makes. Received: "
            f"identity_weight={identity_weight}, shapes {dict(shapes)}"
        )


def _same(shape, other):
    return len(shape) == len(other) and all(
        a is None or b is None or a == b
        for a, b in zip(shape, other, strict=True)
    )


def check_weights(**weights):
    """Check that weights of losses are numbers from 0.

    Args:
        **weights: Numbers by the names of their arguments.

    Raises:
        ValueError: If one is negative or not finite.
    """
    for name, value in weights.items():
        if not 0 <= value < float("inf"):
            raise ValueError(
                f"`{name}` must be a non-negative number. "
                f"Received: {name}={value}"
            )


def check_metrics(metrics, names):
    """Check the metrics of both modalities.

    Args:
        metrics: Dict of lists of Keras metrics.
        names: Names that the losses take.

    Raises:
        ValueError: If two have one name.
    """
    names = [*names, *(m.name for each in metrics.values() for m in each)]
    if len(set(names)) < len(names):
        raise ValueError(
            "`metrics` must have different names, and others than the losses: "
            "give each a `name`. "
            f"Received: {sorted(n for n in names if names.count(n) > 1)}"
        )


def check_options(y, options):
    """Refuse arguments of `fit` that say nothing of unpaired data.

    Args:
        y: What was passed as targets.
        options: Dict of further arguments.

    Raises:
        ValueError: If there is one.
    """
    given = [name for name in _NOT_HERE if options.get(name) is not None]
    given = [*(["y"] if y is not None else []), *given]
    if given:
        raise ValueError(
            "Unpaired data is `x` alone, a dict of both modalities, with "
            f"`validation_data` of the same kind. Received: {given}"
        )


def check_data(model, x):
    """Check arrays, or a data set by what it says of itself.

    Args:
        model: `CycleGANModel`, built.
        x: Dict of arrays or tensor specs of both modalities.

    Raises:
        ValueError: If they are empty, not finite, of other shapes than the
            networks', or outside what the generators can make.
    """
    for name, value in x.items():
        argument = f"x[{name!r}]"
        expected = (None, *model.modality_shapes[name])
        checks.check_shape(argument, value, expected)
        if isinstance(value, tf.TensorSpec):
            continue
        if not len(value):
            raise ValueError(
                f"`{argument}` must hold at least one example. "
                f"Received: {argument}.shape={tuple(value.shape)}"
            )
        checks.check_finite(value, argument)
        gan_data_checks.check_range(
            model.generators[name], value, f"`{argument}`"
        )
    sizes = {name: value.shape[0] for name, value in x.items()}
    if any(isinstance(value, tf.TensorSpec) for value in x.values()):
        checks.check_same_batch_size(sizes, "batch")


def check_translate(model, x, to, batch_size):
    """Check the arguments of `translate`.

    Args:
        model: `CycleGANModel`.
        x: Dict of raw examples.
        to: Name of a modality.
        batch_size: Integer.

    Raises:
        TypeError: If `x` is no dict.
        ValueError: If a name is unknown, `x` is not of the other modality or
            empty, or the model has no weights yet.
    """
    if to not in model.modalities:
        raise ValueError(
            f"`to` must be one of {list(model.modalities)}. Received: to={to!r}"
        )
    checks.check_modalities(x, model.modalities)
    source = model.other(to)
    if list(x) != [source]:
        raise ValueError(
            f"`x` must hold {source!r} alone, to be translated to {to!r}. "
            f"Received: x with keys {list(x)}"
        )
    gan_checks.check_positive_integer("batch_size", batch_size)
    if not model.built:
        raise ValueError(
            "A model must be built before it translates, by `fit` or by "
            "`build({modality: shape})`. Received: a model without weights"
        )
    if not len(x[source]):
        raise ValueError(
            "There must be an example to translate. Received: none of "
            f"{source!r}"
        )
    checks.check_finite(x[source], f"x[{source!r}]")
