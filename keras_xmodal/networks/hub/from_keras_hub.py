"""Any KerasHub backbone as the encoder of a modality."""

import keras

from keras_xmodal import checks
from keras_xmodal.networks.hub.keras_hub_encoder import KerasHubEncoder

_POOLINGS = ("mean", "first", "last", "pooled")


def from_keras_hub(
    backbone: keras.Model,
    trainable_blocks: int | str | None = None,
    pooling: str = "mean",
    modality: str | None = None,
    rescaling: keras.layers.Layer | None = None,
    padding_id: int = 0,
    lora_rank: int | None = None,
    sequence_length: int | None = None,
    name: str | None = None,
) -> keras.Model:
    """Make an encoder of a KerasHub backbone: one tensor in, one vector out.

    What it takes follows from the backbone: pictures `(batch, height, width,
    3)`, token ids `(batch, length)` as `KerasHubTextPreprocessor` makes them
    (mask and segment ids are derived from them), clips `(batch, frames,
    height, width, 3)`, the spectrograms `(batch, frames, mels)` of Whisper's
    encoder, or the waveforms `(batch, samples, 1)` of Moonshine's, where zeros
    at the end are padding. Frozen, it is deterministic
    and its weights and statistics stay as they are, bit for bit, whatever
    model it is part of. What is trained is the backbone itself, not a copy.

    The two halves of CLIP, SigLIP or MetaCLIP 2 have a space in common:
    `kx.EmbeddingModel.from_preset` makes a model of them in one call.

    A heavy frozen encoder need not run in every epoch: `encoder.predict` all
    examples once, and train an `EmbeddingModel({"image": dim, ...})` on the
    vectors.

    Args:
        backbone: `keras_hub.models.Backbone` with random or pretrained
            weights, of pictures (EfficientNet, ResNet, ViT, DINOv3, ...), of
            texts (BERT, RoBERTa, DistilBERT, GPT-2, ...), of speech (Whisper,
            Moonshine), of clips (VideoPrism), or of pictures or clips and
            texts (CLIP, SigLIP, MetaCLIP 2, VideoPrism). Of an encoder with a
            decoder, the encoder is used. Or a `keras_hub.models.TextEmbedder`
            with its own pooling, whose `preprocessor` is for
            `KerasHubTextPreprocessor`.
        trainable_blocks: How many of the last blocks (transformer layers,
            residual blocks) train, with all that comes after them; what is
            before them is frozen. 0 freezes the backbone, `"all"` trains all
            of it. Dropout is off only where all is frozen. With adapters,
            they alone train, those of these blocks. None: 0, or, with
            adapters, `"all"`. `encoder.trainable_blocks = 2` later is possible
            too, before the model is compiled again.
        pooling: How features become one vector. `"mean"`: the average over
            the places of a feature map, the tokens of a text that are not
            padding, the patches of a picture (with a class token, if any) or
            the frames of speech. `"first"`: the first token, which is the
            class token of ViT and BERT. `"last"`: the last token that is not
            padding, for decoders such as GPT-2. `"pooled"`: the backbone's
            `pooled_output`. CLIP, SigLIP and `TextEmbedder` have an embedding
            of their own, which is taken as it is.
        modality: `"image"` or `"video"`, or `"text"`, for a backbone of both,
            whose two encoders then share it; else None.
        rescaling: Keras layer that brings pictures from [0, 1], as
            `ImagePreprocessor` makes them, to what the backbone was trained
            on: `keras.layers.Rescaling(2.0, -1.0)` for [-1, 1],
            `keras.layers.Rescaling(255.0)`, or `keras.layers.Normalization`
            with mean and variance. None: not changed.
        padding_id: Integer, the token id that is padding, such as
            `tokenizer.pad_token_id`. For texts only.
        lora_rank: Positive integer, the rank of adapters (LoRA) that train in
            the backbone's place, in query and value of each attention, or
            None. `encoder.enable_lora(rank)` later does the same; a backbone
            that has adapters already keeps them. `kx.models.merge_lora` folds
            them into the weights.
        sequence_length: Positive integer, the number of token ids of a text,
            or None for any. LiteRT wants to know it of CLIP.
        name: Name of the encoder.

    Returns:
        Keras model from a tensor to a float32 tensor of shape `(batch,
        dim)`.

    Raises:
        ImportError: If KerasHub is not installed.
        TypeError: If `backbone` is no KerasHub backbone.
        ValueError: If another argument is out of range or does not fit the
            backbone.

    Example:
        ```python
        import keras
        import keras_hub
        import keras_xmodal as kx
        import numpy as np

        backbone = keras_hub.models.ViTBackbone(
            image_shape=(32, 32, 3), patch_size=8, num_layers=2,
            num_heads=2, hidden_dim=16, mlp_dim=32,
        )  # or `.from_preset(...)`
        encoder = kx.networks.from_keras_hub(
            backbone,
            trainable_blocks=1,
            pooling="first",
            rescaling=keras.layers.Rescaling(2.0, -1.0),
        )
        images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
        encoder(images).shape  # (2, 16)

        adapted = kx.networks.from_keras_hub(
            keras_hub.models.ViTBackbone(
                image_shape=(32, 32, 3), patch_size=8, num_layers=2,
                num_heads=2, hidden_dim=16, mlp_dim=32,
            ),
            lora_rank=4,
        )
        len(adapted.trainable_weights)  # 8: two of two layers, in two factors
        ```

    Reference:
        - Zhai et al., 2022 (frozen towers), https://arxiv.org/abs/2111.07991
        - Reimers and Gurevych, 2019 (mean of tokens),
          https://arxiv.org/abs/1908.10084
        - Hu et al., 2022 (LoRA), https://arxiv.org/abs/2106.09685
    """
    keras_hub = import_keras_hub("from_keras_hub")
    kinds = (keras_hub.models.Backbone, keras_hub.models.TextEmbedder)
    if not isinstance(backbone, kinds):
        raise TypeError(
            "`backbone` must be a `keras_hub.models.Backbone` or "
            "`TextEmbedder`; of another task, pass `task.backbone`. Received: "
            f"backbone of type {type(backbone).__name__}"
        )
    trainable_blocks = check_trainable_blocks(trainable_blocks)
    for argument, value in (
        ("lora_rank", lora_rank),
        ("sequence_length", sequence_length),
    ):
        checks.positive_integer(argument, value, optional=True)
    pooling = checks.one_of("pooling", pooling, _POOLINGS)
    checks.keras_layer("rescaling", rescaling, optional=True)
    encoder = KerasHubEncoder(
        backbone,
        trainable_blocks=None if lora_rank else trainable_blocks,
        pooling=pooling,
        modality=modality,
        rescaling=rescaling,
        padding_id=padding_id,
        sequence_length=sequence_length,
        name=name,
    )
    if lora_rank:
        encoder.enable_lora(lora_rank)
        if trainable_blocks is not None:
            encoder.trainable_blocks = trainable_blocks
    return encoder


def check_trainable_blocks(trainable_blocks):
    """The rule of `trainable_blocks`, as far as no backbone is known."""
    if trainable_blocks not in ("all", None):
        try:
            trainable_blocks = checks.integer(
                "trainable_blocks", trainable_blocks, least=0
            )
        except (TypeError, ValueError) as error:
            raise type(error)(
                "`trainable_blocks` must be 'all' or a non-negative integer. "
                f"Received: trainable_blocks={trainable_blocks!r}"
            ) from None
    return trainable_blocks


def import_keras_hub(user):
    """Import KerasHub, or say how to install it."""
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            f"`{user}` needs KerasHub: pip install 'keras-xmodal[hub]'"
        ) from error
    return keras_hub
