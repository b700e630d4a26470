"""Learning rates of towers and layers, as multiples of the optimizer's."""

import itertools
import types

import keras

from keras_xmodal import checks


def check_multipliers(model, multipliers):
    """Check the multipliers of an `EmbeddingModel`; return them as floats."""
    known = list(layers_by_name(model))
    rule = f"a dict of numbers, not negative, with keys of {known}"
    name = "learning_rate_multipliers"
    checks.instance_of(name, multipliers, dict, rule)
    unknown = [key for key in multipliers if key not in known]
    if unknown:
        raise ValueError(
            f"`{name}` must be {rule}. Received: unknown keys {unknown}"
        )
    multipliers = {
        key: checks.not_negative(f"{name}[{key!r}]", value)
        for key, value in multipliers.items()
    }
    for pair in itertools.combinations(model.encoders, 2):
        rates = [multipliers.get(key, 1) for key in pair]
        same = model.encoders[pair[0]] is model.encoders[pair[1]]
        if same and rates[0] != rates[1]:
            raise ValueError(
                f"`{name}` must be equal for modalities that share an encoder. "
                f"Received: {dict(zip(pair, rates, strict=True))}"
            )
    return multipliers


def multipliers_of_weights(model):
    """The multiplier of each weight that has one, by the id of the weight."""
    layers = layers_by_name(model)
    return {
        id(weight): model.learning_rate_multipliers[key]
        for key in layers
        if key in model.learning_rate_multipliers
        for layer in layers[key]
        for weight in layer.weights
    }


def layers_by_name(model):
    """Layers of each tower; after them, single ones by their names."""
    single = [*model.projections.values(), *model.logit_scales.values()]
    return {
        name: [
            layers[name]
            for layers in (model.encoders, model.projections)
            if name in layers
        ]
        for name in model.modalities
    } | {layer.name: [layer] for layer in single}


def scale_learning_rates(model):
    """Multiply the steps of a model's optimizer, and its weight decay.

    Gradients stay as they are: Adam does not see how large they are.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer is None:
        return
    for name in ("update_step", "_apply_weight_decay"):
        vars(optimizer).pop(name, None)  # of another model before
    if not model.learning_rate_multipliers:
        return
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        raise ValueError(
            "`learning_rate_multipliers` are of one optimizer: give each of "
            "several its own learning rate. "
            f"Received: optimizer={type(optimizer).__name__}"
        )
    # Of this one optimizer alone. Its class and config stay as they are.
    put = object.__setattr__
    put(optimizer, "_multipliers", None)
    put(optimizer, "_find_multipliers", lambda: multipliers_of_weights(model))
    for method in (update_step, _apply_weight_decay):
        put(optimizer, method.__name__, types.MethodType(method, optimizer))


def update_step(self, gradient, variable, learning_rate):
    """Make the step of one weight, in the place of an optimizer's method."""
    known = self._trainable_variables[self._get_variable_index(variable)]
    learning_rate = learning_rate * _multiplier(self, known)
    decay = _weight_decay(self, known)
    if decay:
        rate = keras.ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, variable * decay * rate)
    type(self).update_step(self, gradient, variable, learning_rate)


def _apply_weight_decay(self, variables):
    """Leave it to the steps, which know the rate of their weight."""


def _weight_decay(optimizer, variable):
    if not optimizer._use_weight_decay(variable):
        return None
    is_muon = isinstance(optimizer, keras.optimizers.Muon)
    if is_muon and optimizer._should_use_adamw(variable):
        return optimizer.adam_weight_decay
    return optimizer.weight_decay


def _multiplier(optimizer, variable):
    if optimizer._multipliers is None:  # Some weights are made after compiling.
        found = optimizer._find_multipliers()
        object.__setattr__(optimizer, "_multipliers", found)
    return optimizer._multipliers.get(id(variable), 1.0)
