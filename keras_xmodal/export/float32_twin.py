"""A float32 copy of a model in mixed or half precision."""

import keras
import numpy as np

_REDUCED = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


def is_float32(model):
    """Whether no layer of a model computes in half precision.

    Args:
        model: Keras model.

    Returns:
        Boolean.
    """
    return not any(
        layer.compute_dtype in _REDUCED for layer in model._flatten_layers()
    )


def float32_twin(model, inputs):
    """Copy a model, so that the copy computes in float32.

    Args:
        model: Model, built, of any dtype policy.
        inputs: Dict of preprocessed batches on which to build the copy, as
            `input_specs` names them.

    Returns:
        The model itself if it is float32 throughout, or else a copy with its
        weights and without its preprocessors.

    Raises:
        NotImplementedError: If a layer has no `get_config`.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx
        from keras_xmodal.export.float32_twin import float32_twin

        model = kx.EmbeddingModel(32, 16, dtype="mixed_float16")
        x = np.ones((1, 32), "float32")
        print(model(x).dtype, float32_twin(model, {None: x})(x).dtype)
        ```
    """
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
