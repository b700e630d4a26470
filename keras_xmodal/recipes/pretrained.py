"""Frozen towers that others have trained: KerasHub's, or a user's own."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_xmodal import checks
from keras_xmodal.models import EmbeddingModel
from keras_xmodal.models.embedding.from_preset import explained, find_head
from keras_xmodal.networks import (
    KerasHubImagePreprocessor,
    KerasHubTextPreprocessor,
    from_keras_hub,
)
from keras_xmodal.networks.hub.from_keras_hub import import_keras_hub

AUTO = "auto"
_MIN_TOKENS = 8
# Backbones of pictures whose first token stands for the whole.
_WITH_CLASS_TOKEN = (
    "DeiTBackbone",
    "DINOV2Backbone",
    "DINOV3Backbone",
    "ViTBackbone",
)


class Pretrained(NamedTuple):
    """A preprocessor and an encoder that nothing trains.

    Two halves of one model have the same `space`, in which pictures and texts
    that belong together are near each other without training. `max_tokens` is
    what texts are padded to where fewer will do.
    """

    name: str
    preprocessor: keras.layers.Layer | None
    encoder: keras.layers.Layer
    space: Any = None
    max_tokens: int | None = None


class Preset:
    """What a KerasHub preset has, loaded: frozen towers by kind of data.

    Args:
        preset: Name or handle of a preset, or a folder.

    Raises:
        ValueError: If there is none, or it is of something else than pictures
            or texts.
    """

    def __init__(self, preset: str | os.PathLike):
        keras_hub = import_keras_hub("towers")
        preset = os.fspath(preset)
        self.name = pathlib.PurePath(preset).name or preset
        with explained(preset, "towers"):
            backbone = keras_hub.models.Backbone.from_preset(preset)
        if find_head(backbone) is not None:
            self.towers = self._two_towers(keras_hub, preset, backbone)
            return
        inputs = backbone.input
        inputs = inputs if isinstance(inputs, dict) else {"": inputs}
        shapes = [len(x.shape) for x in inputs.values()]
        if "token_ids" in inputs and "decoder_token_ids" not in inputs:
            self.towers = self._texts(keras_hub, preset, backbone)
        elif shapes == [4]:
            self.towers = self._images(keras_hub, preset, backbone)
        else:
            raise ValueError(
                "`towers` must be a preset of pictures, of texts or of both; "
                "for others pass a tuple `(preprocessor, encoder)` of Keras "
                f"layers. Received: {preset!r}, a {type(backbone).__name__}"
            )

    def _two_towers(self, keras_hub, preset, backbone):
        with explained(preset, "towers"):
            preprocessor = keras_hub.models.CausalLMPreprocessor.from_preset(
                preset
            )
        model = EmbeddingModel.from_preset(backbone, preprocessor=preprocessor)
        return {
            kind: Pretrained(self.name, layer, model.encoders[kind], model)
            for kind, layer in model.preprocessors.items()
        }

    def _images(self, keras_hub, preset, backbone):
        with explained(preset, "towers"):
            converter = keras_hub.layers.ImageConverter.from_preset(preset)
        pooling = "mean"
        if type(backbone).__name__ in _WITH_CLASS_TOKEN and getattr(
            backbone, "use_class_token", True
        ):
            pooling = "first"
        encoder = from_keras_hub(backbone, pooling=pooling)
        preprocessor = KerasHubImagePreprocessor(converter)
        return {"image": Pretrained(self.name, preprocessor, encoder)}

    def _texts(self, keras_hub, preset, backbone):
        models = keras_hub.models
        with explained(preset, "towers"):
            try:  # with its own pooling
                backbone = models.TextEmbedder.from_preset(preset)
                preprocessor = backbone.preprocessor
            except ValueError:
                preprocessor = models.TextClassifierPreprocessor.from_preset(
                    preset
                )
        preprocessor = KerasHubTextPreprocessor(preprocessor)
        encoder = from_keras_hub(backbone, padding_id=preprocessor.padding_id)
        length = preprocessor.sequence_length
        tower = Pretrained(self.name, preprocessor, encoder, max_tokens=length)
        return {"text": tower}


def read_towers(towers: Any, kinds: Mapping[str, str]) -> dict[str, Pretrained]:
    """What `kx.recipes.embedding` was asked for, by modality.

    Args:
        towers: `"auto"`, a preset, or a dict by modality.
        kinds: Kind of each modality.
    """
    if isinstance(towers, str) and towers == AUTO:
        return {}
    if isinstance(towers, Mapping):
        checks.modalities("towers", towers, kinds)
        presets: dict[Any, Preset] = {}
        return {
            name: _read(name, value, kinds[name], presets)
            for name, value in towers.items()
        }
    preset = _preset(towers)
    found = {
        name: preset.towers[kind]
        for name, kind in kinds.items()
        if kind in preset.towers
    }
    if not found:
        raise ValueError(
            f"`towers` must be of a kind that the data has: {dict(kinds)}. "
            f"Received: {preset.name!r} of {list(preset.towers)}"
        )
    return found


def _read(name, value, kind, presets):
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(
                f"`towers[{name!r}]` must be a preset or a tuple "
                f"`(preprocessor, encoder)`. Received: {len(value)} of them"
            )
        preprocessor, encoder = value
        argument = f"towers[{name!r}]"
        checks.keras_layer(argument, preprocessor, optional=True)
        checks.keras_layer(argument, encoder)
        return Pretrained(encoder.name, preprocessor, encoder)
    key = value if isinstance(value, Preset) else str(value)
    if key not in presets:
        presets[key] = _preset(value)
    preset = presets[key]
    if kind not in preset.towers:
        raise ValueError(
            f"`towers[{name!r}]` must be a preset of kind {kind}. "
            f"Received: {preset.name!r} of {list(preset.towers)}"
        )
    return preset.towers[kind]


def _preset(value):
    if isinstance(value, Preset):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(
            "`towers` must be 'auto', a name or folder of a KerasHub preset, "
            "or a dict by modality of presets and tuples `(preprocessor, "
            f"encoder)`. Received: {type(value).__name__}"
        )
    return Preset(value)


def fit_length(tower: Pretrained, texts: np.ndarray) -> None:
    """Pad texts to half more than the longest, where the preset pads to more.

    Args:
        tower: Of texts.
        texts: Array of strings.
    """
    layer: Any = tower.preprocessor
    if tower.max_tokens is None:
        return
    inner = layer.preprocessor
    inner.sequence_length = tower.max_tokens
    used = np.asarray(layer(list(texts))) != layer.padding_id
    longest = int(used.sum(axis=1).max())
    length = max(_MIN_TOKENS, longest + longest // 2)
    inner.sequence_length = min(tower.max_tokens, length)
