"""A model whose adapters are part of its weights."""

from keras_xmodal import checks, saving
from keras_xmodal.models.embedding.embedding_model import EmbeddingModel
from keras_xmodal.networks.hub.keras_hub_encoder import KerasHubEncoder


def merge_lora(model: EmbeddingModel) -> EmbeddingModel:
    """Fold the adapters (LoRA) of a model into its weights.

    What it returns computes the same, is as large and fast as without
    adapters, and is frozen where they were; preprocessors are shared. Whoever
    exports or serves a model has no use for adapters.

    Args:
        model: Built `EmbeddingModel` with layers after `enable_lora`, such as
            encoders of `kx.networks.from_keras_hub(..., lora_rank=8)`.

    Returns:
        New model of the same class, not compiled.

    Raises:
        TypeError: If `model` is no `EmbeddingModel`.
        ValueError: If it is not built, or has no adapters.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        image = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)])
        image.layers[0].enable_lora(2)
        model = kx.EmbeddingModel(
            encoders={"image": image, "text": keras.layers.Dense(5)},
            embedding_dim=4,
        )
        x = {"image": np.ones((8, 6)), "text": np.ones((8, 3))}
        model.compile("adam")
        model.fit(x, verbose=0)
        merged = kx.models.merge_lora(model)
        print(len(model.weights) - len(merged.weights))  # 2
        ```

    Reference:
        - Hu et al., 2022, https://arxiv.org/abs/2106.09685, section 4.1
    """
    checks.instance_of("model", model, EmbeddingModel, "an `EmbeddingModel`")
    layers = list(saving.walk(model))
    adapted = [path for path, layer in layers if saving.has_adapter(layer)]
    if not adapted or not model.built:
        raise ValueError(
            "`model` must be built and have adapters, of `enable_lora`. "
            f"Received: {len(adapted)} layers with adapters, "
            f"built={model.built}"
        )
    config = _without_adapters(model.get_config())
    merged = type(model).from_config({**config, "preprocessors": None})
    merged.preprocessors.update(model.preprocessors)
    merged.build_from_config(model.get_build_config())
    for (_, old), (_, new) in zip(layers, saving.walk(merged), strict=True):
        weights: dict = {}
        old.save_own_variables(weights)  # Keras merges them here.
        new.load_own_variables(weights)
    kept = [w for w in model.weights if not w.name.startswith("lora_")]
    for old, new in zip(kept, merged.weights, strict=True):
        new.trainable = old.trainable
    for encoder in merged.encoders.values():
        # With all of it frozen, there is no dropout.
        if isinstance(encoder, KerasHubEncoder) and not any(
            weight.trainable for weight in encoder.weights
        ):
            encoder.trainable_blocks = 0
    return merged


def _without_adapters(config):
    """A config, and what is in it, as if there had never been adapters."""
    if isinstance(config, dict):
        config = {
            key: _without_adapters(value)
            for key, value in config.items()
            if key not in ("lora_rank", "lora_alpha")
        }
        return {**config, "lora": {}} if "lora" in config else config
    if isinstance(config, (list, tuple)):
        return type(config)(map(_without_adapters, config))
    return config
