"""Checks of what a user passes to a `CycleGANModel`."""

import keras

from keras_xmodal import checks
from keras_xmodal.models.data import check_arrays
from keras_xmodal.models.encoders import one_tensor


def check_networks(generators, discriminators):
    """Check the networks of two modalities."""
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
    """Shapes of both modalities, where the generators tell."""
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
    """Check the shape of what a generator makes."""
    one_tensor(f"generators[{name!r}]", output)
    if not _same(output.shape[1:], expected[1:]):
        raise ValueError(
            f"`generators[{name!r}]` must make what {name!r} is, of shape "
            f"{(None, *expected[1:])}, from the other modality. "
            f"Received: output shape {tuple(output.shape)}"
        )


def check_identity(identity_weight, shapes):
    """Check that a generator can take what it makes."""
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


def check_metrics(metrics, names):
    """Check the metrics of both modalities."""
    names = [*names, *(m.name for each in metrics.values() for m in each)]
    if len(set(names)) < len(names):
        raise ValueError(
            "`metrics` must have different names, and others than the losses: "
            "give each a `name`. "
            f"Received: {sorted(n for n in names if names.count(n) > 1)}"
        )


def check_unpaired(**options):
    """Refuse arguments of `fit` that say nothing of unpaired data."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(
            "Unpaired data is `x` alone, a dict of both modalities, with "
            f"`validation_data` of the same kind. Received: {given}"
        )


def check_translate(model, x, to, batch_size):
    """Check the arguments of `translate`."""
    checks.one_of("to", to, model.modalities)
    checks.modalities("x", x, model.modalities)
    source = model.other(to)
    if list(x) != [source]:
        raise ValueError(
            f"`x` must hold {source!r} alone, to be translated to {to!r}. "
            f"Received: x with keys {list(x)}"
        )
    checks.positive_integer("batch_size", batch_size)
    if not model.built:
        raise ValueError(
            "A model must be built before it translates, by `fit` or by "
            "`build({modality: shape})`. Received: a model without weights"
        )
    check_arrays(x)
