"""A float32 copy of a model in mixed or half precision."""

import keras
import numpy as np

_REDUCED = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


def is_float32(model):
    """Whether no layer of a model computes in half precision."""
    return not any(
        layer.compute_dtype in _REDUCED for layer in model._flatten_layers()
    )


def float32_twin(model, inputs):
    """Copy a model, so that the copy computes in float32."""
    if is_float32(model):
        return model
    config = model.get_config()
    # Sublayers that a layer creates on its own follow the global policy.
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        twin = type(model).from_config(
            _to_float32({**config, "preprocessors": None})
        )
        twin._call_on(inputs)
    finally:
        keras.config.set_dtype_policy(policy)
    twin.set_weights(
        [np.asarray(weight, "float32") for weight in model.get_weights()]
    )
    return twin


def _to_float32(config):
    if isinstance(config, (list, tuple)):
        return type(config)(_to_float32(value) for value in config)
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return {**config, "config": {"name": "float32"}}
    return {
        key: "float32"
        if key == "dtype" and isinstance(value, str) and value in _REDUCED
        else _to_float32(value)
        for key, value in config.items()
    }
