"""A KerasHub backbone as a network from one tensor to one vector."""

import re

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import (
    deserialize_config,
    has_adapter,
    layer_states,
    register,
    restore_layers,
    sublayers,
)

_BLOCK = re.compile(r".*?(?:block|layer|stage)s?_?\d+[a-z]?")


@register
class KerasHubEncoder(keras.Model):
    """What `from_keras_hub` makes of a backbone; see there.

    Only the part of the backbone that leads to the vector is in it: without
    the other half of CLIP, a decoder, or a head that nothing reads.
    """

    def __init__(
        self,
        backbone,
        trainable_blocks=None,
        pooling="mean",
        modality=None,
        rescaling=None,
        padding_id=0,
        sequence_length=None,
        **kwargs,
    ):
        checks.keyword_arguments(self, kwargs)
        network, main = _used_part(backbone, modality, pooling)
        declared = network.input[main]
        if rescaling is not None and "int" in declared.dtype:
            raise ValueError(
                "`rescaling` must be None where the input is token ids. "
                f"Received: rescaling={rescaling}"
            )

        # Functional graph
        shape = declared.shape
        if sequence_length is not None:
            if "int" not in declared.dtype or shape[1] is not None:
                raise ValueError(
                    "`sequence_length` must be None where the input is no "
                    "token ids, or of a length that is given. Received: "
                    f"sequence_length={sequence_length}, input of shape {shape}"
                )
            shape = (shape[0], sequence_length)
        inputs = keras.Input(batch_shape=shape, dtype=declared.dtype, name=main)
        x = inputs if rescaling is None else rescaling(inputs)
        is_there = None  # (batch, length), where it is not padding
        if "int" in declared.dtype:
            is_there = ops.not_equal(inputs, padding_id)
        feed = {main: x}
        for name, other in network.input.items():
            if name.endswith("padding_mask"):
                if is_there is None:
                    is_there = _before_silence(inputs)
                feed[name] = ops.cast(is_there, other.dtype)
            elif name.endswith("segment_ids"):
                feed[name] = ops.zeros_like(inputs)
        x = network(feed)
        if isinstance(x, (list, tuple)):
            x, is_there = x  # of frames, in the place of samples
        x = ops.cast(x, "float32")
        if len(x.shape) == 4:
            x = _pool_map(x, pooling, backbone)
        elif len(x.shape) == 3:
            x = _pool_sequence(x, is_there, pooling)
        super().__init__(inputs=inputs, outputs=x, **kwargs)

        # Config. The backbone itself would be saved as a whole.
        config = keras.saving.serialize_keras_object(backbone)
        if "preprocessor" in config["config"]:  # of `TextEmbedder`
            config["config"]["preprocessor"] = None
            config.pop("compile_config", None)
        self._backbone_config = config
        inner = getattr(backbone, "backbone", backbone)
        # KerasHub does not name those of DINOv3.
        self._adapted = [*inner.default_lora_layer_names(), "q_proj", "v_proj"]
        if trainable_blocks is None and self._has_adapters():
            self._trainable_blocks = "all"  # Its biases train as well.
        else:
            self.trainable_blocks = trainable_blocks or 0
        self.pooling = pooling
        self.modality = modality
        self.rescaling = rescaling
        self.padding_id = padding_id
        self.sequence_length = sequence_length

    def call(self, inputs, training=None, mask=None):
        # Nothing is random in a frozen network, whatever it is part of.
        training = bool(training) and self.trainable
        return super().call(inputs, training=training, mask=mask)

    @property
    def trainable(self):
        """Whether anything trains: of a network with adapters, they alone."""
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        keras.Model.trainable.fset(self, value)
        self._freeze_adapted()

    @property
    def trainable_blocks(self):
        """How many of the last blocks train, or `"all"`."""
        return self._trainable_blocks

    @trainable_blocks.setter
    def trainable_blocks(self, value):
        network = self.get_layer("network")
        first = _first_trainable(network.layers, value)
        # One by one: a layer that has the value already hands nothing on.
        for layer in self._flatten_layers():
            layer.trainable = value != 0
        for layer in first:
            layer.trainable = False
        self._freeze_adapted()
        self._trainable_blocks = value

    def enable_lora(self, rank, lora_alpha=None):
        """Freeze the backbone, and train adapters of low rank in its place.

        The query and value of each attention get one, as those of
        `backbone.enable_lora` do; nothing else trains, biases neither. It
        changes no output before the first step.

        Args:
            rank: Positive integer.
            lora_alpha: Float, adapters count `lora_alpha / rank`. Defaults
                to `rank`.

        Raises:
            ValueError: If there are adapters already, or there is no
                attention that KerasHub adapts.

        Reference:
            - Hu et al., 2022, https://arxiv.org/abs/2106.09685
        """
        rank = checks.positive_integer("lora_rank", rank)
        layers = [
            layer
            for layer in self._flatten_layers()
            if layer.name in self._adapted and hasattr(layer, "enable_lora")
        ]
        if not layers or self._has_adapters():
            raise ValueError(
                "`lora_rank` is for a backbone without adapters, whose "
                f"attention has layers named as one of {self._adapted}. "
                f"Received: {len(layers)} such layers"
                + (", with adapters" if self._has_adapters() else "")
            )
        for layer in layers:
            layer.trainable = True
            layer.enable_lora(rank, lora_alpha=lora_alpha)
        self.trainable_blocks = "all"

    def _has_adapters(self):
        return any(map(has_adapter, self._flatten_layers()))

    def _freeze_adapted(self):
        """Undo what Keras does to a layer with an adapter: to train it all."""
        if self._has_adapters():
            for weight in self.weights:
                if not weight.name.startswith("lora_"):
                    weight.trainable = False

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "backbone": self._backbone_config,
            "trainable_blocks": self.trainable_blocks,
            "pooling": self.pooling,
            "modality": self.modality,
            "rescaling": serialize(self.rescaling),
            "padding_id": self.padding_id,
            "sequence_length": self.sequence_length,
            "name": self.name,
            "layer_states": layer_states(self),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        states = config.pop("layer_states")
        encoder = cls(**deserialize_config(config, custom_objects))
        restore_layers(encoder, states)
        return encoder


def _used_part(backbone, modality, pooling):
    """The part of a backbone that leads to the vector, and its main input."""
    inputs = backbone.input
    inputs = inputs if isinstance(inputs, dict) else {inputs.name: inputs}
    halves = {}
    if "token_ids" in inputs and hasattr(backbone, "get_vision_embeddings"):
        seen = {"image": "images", "video": "pixel_values"}
        halves = {name: key for name, key in seen.items() if key in inputs}
        halves["text"] = "token_ids"
    if halves:
        if modality not in halves:
            raise ValueError(
                f"`modality` must be {' or '.join(map(repr, halves))}, as the "
                f"backbone has a half for each. Received: modality={modality!r}"
            )
        names = [halves[modality]]
        embed = backbone.get_vision_embeddings
        if modality == "text":
            embed = backbone.get_text_embeddings
            names += [name for name in inputs if name == "padding_mask"]
        inputs = {name: inputs[name] for name in names}
        outputs = embed(*inputs.values())
    elif modality is not None:
        raise ValueError(
            "`modality` must be None for a backbone of one modality. "
            f"Received: modality={modality!r}, backbone={backbone}"
        )
    else:
        # An encoder does not need what its decoder reads.
        inputs = {k: x for k, x in inputs.items() if "decoder_" not in k}
        outputs = _select_output(backbone.output, pooling)
        every = backbone.output
        if isinstance(every, dict) and "encoder_attention_mask" in every:
            outputs = [outputs, every["encoder_attention_mask"]]  # Moonshine's
    names = [k for k in inputs if not k.endswith(("_mask", "segment_ids"))]
    if len(names) != 1:
        raise ValueError(
            "`backbone` must have one input, besides a padding mask and "
            f"segment ids. Received: inputs {list(inputs)}"
        )
    return keras.Model(inputs, outputs, name="network"), names[0]


def _select_output(outputs, pooling):
    if not isinstance(outputs, dict) and len(outputs.shape) == 2:
        return outputs  # an embedding of its own, of `TextEmbedder`
    keys = ("sequence_output", "encoder_sequence_output")
    if pooling == "pooled":
        keys = ("pooled_output",)
    if not isinstance(outputs, dict):
        outputs = {keys[0]: outputs} if pooling != "pooled" else {"": outputs}
    for key in keys:
        if key in outputs:
            return outputs[key]
    raise ValueError(
        f"`backbone` must have an output {' or '.join(map(repr, keys))} for "
        f"this `pooling`. Received: pooling={pooling!r}, outputs "
        f"{list(outputs)}"
    )


def _pool_map(x, pooling, backbone):
    """Average a map of features over its places."""
    if pooling != "mean":
        raise ValueError(
            "`pooling` must be 'mean' for a backbone that returns a map of "
            f"features. Received: pooling={pooling!r}"
        )
    first = getattr(backbone, "data_format", None) == "channels_first"
    return ops.mean(x, axis=(2, 3) if first else (1, 2))


def _before_silence(sound):
    """Which samples `(batch, length, 1)` are not among the zeros at the end."""
    is_sound = ops.cast(ops.not_equal(sound[..., 0], 0), "int32")
    return ops.flip(ops.cumsum(ops.flip(is_sound, 1), axis=1), 1) > 0


def _pool_sequence(x, is_there, pooling):
    """One vector of a sequence, padding left out."""
    if pooling == "first":
        return x[:, 0]
    if is_there is None:
        return x[:, -1] if pooling == "last" else ops.mean(x, axis=1)
    weights = ops.cast(is_there, "float32")  # (batch, length)
    if pooling == "last":
        # Nothing but padding behind it: the sum from there on is one.
        after = ops.flip(ops.cumsum(ops.flip(weights, 1), axis=1), 1)
        weights = weights * ops.cast(ops.equal(after, 1.0), "float32")
    x = ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), x), 1)
    total = ops.sum(weights, axis=1, keepdims=True)  # (batch, 1)
    return x / ops.where(total > 0, total, 1.0)


def _first_trainable(layers, trainable_blocks):
    """Layers before the last blocks, which are to be frozen.

    A block is what KerasHub numbers: the layers whose names agree up to a
    first number behind "block", "layer" or "stage".
    """
    if trainable_blocks in (0, "all"):
        return []
    while True:
        # Layers without weights are numbered by Keras, for other reasons.
        names = [x.weights and _BLOCK.match(x.name) for x in layers]
        blocks = list(dict.fromkeys(n.group() for n in names if n))
        inner = [sublayers(layer) for layer in layers]
        if blocks or not any(inner):
            break
        layers = [
            part
            for parts, layer in zip(inner, layers, strict=True)
            for part in parts or [layer]
        ]
    if len(blocks) < trainable_blocks:
        raise ValueError(
            f"`trainable_blocks` must be 'all' or at most {len(blocks)}, the "
            "number of numbered blocks in the backbone. "
            f"Received: trainable_blocks={trainable_blocks}"
        )
    start = blocks[-trainable_blocks]
    index = [n and n.group() for n in names].index(start)
    return layers[:index]
