"""A model of the two towers that KerasHub's CLIP or SigLIP has."""

import contextlib
import math
import os

import keras

from keras_xmodal import checks
from keras_xmodal.networks.hub.from_keras_hub import (
    from_keras_hub,
    import_keras_hub,
)
from keras_xmodal.networks.hub.keras_hub_image_preprocessor import (
    KerasHubImagePreprocessor,
)
from keras_xmodal.networks.hub.keras_hub_text_preprocessor import (
    KerasHubTextPreprocessor,
)

_MODALITIES = ("image", "text")

_OF_BACKBONE = ("load_weights", "dtype")


def from_preset(
    cls,
    preset,
    *,
    preprocessor=None,
    trainable_blocks=None,
    lora_rank=None,
    **kwargs,
):
    """Make what `EmbeddingModel.from_preset` returns; see there."""
    keras_hub = import_keras_hub("EmbeddingModel.from_preset")
    unknown = [name for name in kwargs if name not in _OF_BACKBONE]
    if unknown:
        raise TypeError(
            "`from_preset` takes its own arguments and those of KerasHub's, "
            f"{list(_OF_BACKBONE)}. Received: {unknown}"
        )
    checks.keras_layer("preprocessor", preprocessor, optional=True)
    trainable_blocks = _by_modality("trainable_blocks", trainable_blocks)
    lora_rank = _by_modality("lora_rank", lora_rank)
    if isinstance(preset, keras_hub.models.Backbone):
        checks.left_out("A backbone is loaded already", **kwargs)
        backbone = preset
    else:
        kinds = (str, os.PathLike)
        rule = "a name, a folder or a `keras_hub.models.Backbone`"
        preset = os.fspath(checks.instance_of("preset", preset, kinds, rule))
        with explained(preset):
            backbone = keras_hub.models.Backbone.from_preset(preset, **kwargs)
    head = _head(backbone)
    if preprocessor is None and backbone is not preset:
        with explained(preset):
            # That of pictures and texts is one, for the tokens' sake.
            preprocessor = keras_hub.models.CausalLMPreprocessor.from_preset(
                preset
            )
    preprocessors = {}
    length = None
    if preprocessor is not None:
        length = preprocessor.sequence_length
        preprocessors["text"] = KerasHubTextPreprocessor(preprocessor)
        converter = getattr(preprocessor, "image_converter", None)
        if converter is not None:
            preprocessors["image"] = KerasHubImagePreprocessor(converter)
    model = cls(
        encoders={
            name: from_keras_hub(
                backbone,
                modality=name,
                trainable_blocks=trainable_blocks.get(name),
                lora_rank=lora_rank.get(name),
                sequence_length=length if name == "text" else None,
                name=f"{name}_encoder",
            )
            for name in _MODALITIES
        },
        embedding_dim=None,
        preprocessors=preprocessors,
        temperature=math.exp(-_number(head.logit_scale)),
        bias=_number(head.logit_bias) if hasattr(head, "logit_bias") else None,
    )
    length = length or backbone.text_encoder.max_sequence_length
    images = model.encoders["image"].input_shape
    model.build_from_config(
        {
            "input_shape": {"image": images, "text": (None, length)},
            "input_dtype": {"image": "float32", "text": "int32"},
        }
    )
    return model


def _by_modality(argument, value):
    """An argument of both towers, as one of each."""
    if not isinstance(value, dict):
        return dict.fromkeys(_MODALITIES, value)
    return checks.modalities(argument, value, _MODALITIES) or value


@contextlib.contextmanager
def explained(preset, argument="preset"):
    """Say of a preset that is not there, in one line, what to put where."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"`{argument}` must be the name or handle of a KerasHub preset, "
            "which is downloaded, or a folder that has one: config.json, "
            "model.weights.h5, preprocessor.json, tokenizer.json, "
            "image_converter.json and assets/. Without internet, make it "
            "elsewhere by `save_to_preset(folder)` of both the backbone and "
            "its preprocessor, and copy the folder. "
            f"Received: {argument}={preset!r} ({reason})"
        ) from error


def find_head(backbone):
    """The layer that compares pictures and texts, or None."""
    for layer in backbone.layers:
        if hasattr(layer, "logit_scale") and hasattr(
            backbone, "get_vision_embeddings"
        ):
            return layer
    return None


def _head(backbone):
    head = find_head(backbone)
    if head is not None:
        return head
    raise ValueError(
        "`preset` must be of CLIP, SigLIP, SigLIP2 or MetaCLIP 2, which have a "
        "space for pictures and texts; other backbones become towers by "
        "`kx.networks.from_keras_hub`. "
        f"Received: a {type(backbone).__name__}"
    )


def _number(variable):
    return float(keras.ops.convert_to_numpy(variable))
