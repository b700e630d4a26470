"""Registration of every Keras object; configs; names for objects."""

import inspect
import sys
import types

import keras
from keras import ops, tree


def register(cls):
    """Register a class with Keras as `keras_xmodal>ClassName`.

    The name is written into every saved file, so it never changes: a file
    saved today loads in later releases without `custom_objects`.

    A class that has no `get_config` of its own gets `signature_config`, one
    that has no `from_config` of this package gets `from_config` below.

    Args:
        cls: A class or function that Keras serializes.

    Returns:
        The same object.
    """
    if inspect.isclass(cls):
        if "get_config" not in vars(cls):
            cls.get_config = lambda self: signature_config(cls, self)
        inherited = inspect.getattr_static(cls, "from_config", None)
        if not _is_of_this_package(inherited):
            cls.from_config = classmethod(from_config)
    return keras.saving.register_keras_serializable("keras_xmodal")(cls)


def signature_config(cls, instance):
    """Config of what the constructor of `cls` takes.

    Each argument is an attribute of the same name. `**kwargs` are what the
    config of the base says, which also names Keras' own arguments. Arguments
    that have become weights are saved with the weights.

    Args:
        cls: The class whose `__init__` is read: a class that adds to its
            config names itself here, as in `super()`.
        instance: Instance of `cls`.

    Returns:
        Dict of what `from_config` takes, ready for JSON.
    """
    parameters = inspect.signature(cls.__init__).parameters.values()
    names = [
        p.name
        for p in parameters
        if p.name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    base = getattr(super(cls, instance), "get_config", dict)()
    if all(p.kind is not p.VAR_KEYWORD for p in parameters):
        base = {name: base[name] for name in names if name in base}
    own = {n: getattr(instance, n) for n in names if n not in base}
    return base | {
        name: _serialize(value)
        for name, value in own.items()
        if not _is_weights(value)
    }


def deserialize_config(config, custom_objects=None):
    """The arguments of a config, Keras objects in dicts and lists revived."""
    return {
        name: keras.saving.deserialize_keras_object(
            value, custom_objects=custom_objects
        )
        if isinstance(value, (dict, list, tuple))
        else value
        for name, value in config.items()
    }


def from_config(cls, config, custom_objects=None):
    """Build an instance from what `get_config` returned."""
    return cls(**deserialize_config(config, custom_objects))


def serialize_layers(layers):
    """Configs of layers by name; of one that comes again, its first name."""
    first = {}
    return {
        name: keras.saving.serialize_keras_object(layer)
        if first.setdefault(id(layer), name) == name
        else first[id(layer)]
        for name, layer in layers.items()
    }


def share_layers(layers):
    """Put layers where `serialize_layers` put their names."""
    for name, layer in layers.items():
        if isinstance(layer, str):
            layers[name] = layers[layer]


def layer_states(layer):
    """What the configs of layers leave out: what is frozen, and adapters.

    Layers are told by their place in the tree, for their names come from
    counters.

    Args:
        layer: Keras layer.

    Returns:
        Dict ready for JSON, which `restore_layers` takes.
    """
    tree_of_layers = list(walk(layer))
    return {
        "frozen_layers": [
            path for path, part in tree_of_layers if not part.trainable
        ],
        "frozen_weights": [
            i for i, weight in enumerate(layer.weights) if not weight.trainable
        ],
        "num_weights": len(layer.weights),
        "lora": {
            path: [part.lora_rank, part.lora_alpha]
            for path, part in tree_of_layers
            if has_adapter(part)
        },
    }


def restore_layers(layer, states):
    """Freeze again, and adapt, what was so when `layer_states` was called.

    Args:
        layer: Keras layer of the same structure. What it builds later is
            restored by another call.
        states: What `layer_states` returned.
    """
    for path, part in walk(layer):
        if path in states["lora"] and part.built and not part.lora_enabled:
            rank, alpha = states["lora"][path]
            part.enable_lora(rank, lora_alpha=alpha)
        # From the root on: what is set at a layer is set below it, too.
        trainable = path not in states["frozen_layers"]
        if part.trainable != trainable:
            part.trainable = trainable
    if len(layer.weights) == states["num_weights"]:
        for i, weight in enumerate(layer.weights):
            trainable = i not in states["frozen_weights"]
            if weight.trainable != trainable:
                weight.trainable = trainable


def start_adapters(layer):
    """Start adapters (LoRA) that Keras has loaded as zeros, merged before.

    Two factors of zeros get no gradient and would stay so. What the layers
    compute does not change: one of the two stays zero.

    Args:
        layer: Keras layer.
    """
    for _, part in walk(layer):
        if not has_adapter(part):
            continue
        factors = [w for w in part.weights if w.name.startswith("lora_")]
        if not any(ops.any(factor).numpy() for factor in factors):
            first = factors[0]
            start = keras.initializers.HeUniform()(first.shape, first.dtype)
            first.assign(start)


def has_adapter(layer):
    """Whether a layer itself has an adapter (LoRA)."""
    return bool(getattr(layer, "lora_enabled", False))


def sublayers(layer):
    """Layers right below a layer, in their order.

    Args:
        layer: Keras layer.

    Returns:
        List of layers.
    """
    if isinstance(layer, keras.Model):
        return layer.layers
    return list(layer._flatten_layers(include_self=False, recursive=False))


def walk(layer, path=""):
    """A layer and all below it with their places, parents first."""
    yield path, layer
    for i, part in enumerate(sublayers(layer)):
        yield from walk(part, f"{path}/{i}")


def resolve(argument, identifier, base, also=""):
    """Resolve an object from its name, as Keras does.

    The name of a public class is that of its file, and stands for the class
    with its default arguments.

    Args:
        argument: Name of the argument, for messages.
        identifier: An instance of `base`, or the name of a class beside it.
        base: Class, in a file of the subpackage that holds the others.
        also: What else the caller takes, for messages, such as `", or None"`.

    Returns:
        The object.

    Raises:
        ValueError: If the name is unknown.
        TypeError: If it is neither a name nor of type `base`.
    """
    if isinstance(identifier, base):
        return identifier
    names, others = _names_of(base)
    such_as = f", such as {' and '.join(others)}" if others else ""
    rule = (
        f"`{argument}` must be one of {sorted(names)} or of type "
        f"`{base.__name__}`{such_as}{also}. Received: {argument}={identifier!r}"
    )
    if not isinstance(identifier, str):
        raise TypeError(f"{rule} of type {type(identifier).__name__}")
    if identifier not in names:
        raise ValueError(rule)
    return names[identifier]()


def _names_of(base):
    """Classes by name, and names of those that need arguments."""
    room = sys.modules[base.__module__.rpartition(".")[0]]
    names, others = {}, []
    for cls in (getattr(room, symbol) for symbol in room.__all__):
        if not issubclass(cls, base) or cls is base:
            continue
        parameters = inspect.signature(cls).parameters.values()
        if any(p.default is p.empty for p in parameters):
            others.append(f"`{cls.__name__}`")
        else:
            names[cls.__module__.rpartition(".")[2]] = cls
    return names, others


def _serialize(value):
    if isinstance(value, types.FunctionType):
        return keras.activations.serialize(value)
    return keras.saving.serialize_keras_object(value)


def _is_weights(value):
    leaves = tree.flatten(value)
    return any(isinstance(leaf, keras.Variable) for leaf in leaves)


def _is_of_this_package(method):
    function = getattr(method, "__func__", None)
    return getattr(function, "__module__", "").startswith("keras_xmodal")
