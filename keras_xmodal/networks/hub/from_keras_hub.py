"""Any KerasHub backbone as the encoder of a modality."""

import keras

from keras_xmodal import checks
from keras_xmodal.networks.hub.keras_hub_encoder import KerasHubEncoder

_POOLINGS = ("mean", "first", "last", "pooled")


def from_keras_hub(
    backbone: keras.Model,
    trainable_blocks: int | str = 0,
    pooling: str = "mean",
    modality: str | None = None,
    rescaling: keras.layers.Layer | None = None,
    padding_id: int = 0,
    name: str | None = None,
) -> keras.Model:
    """Make an encoder of a KerasHub backbone: one tensor in, one vector out.

    What it takes follows from the backbone: pictures `(batch, height, width,
    3)`, token ids `(batch, length)` as `KerasHubTextPreprocessor` makes them
    (mask and segment ids are derived from them), or the spectrograms
    `(batch, frames, mels)` of Whisper's encoder. Frozen, it is deterministic
    and its weights and statistics stay as they are, bit for bit, whatever
    model it is part of. What is trained is the backbone itself, not a copy.

    The two halves of CLIP or SigLIP have a space in common, which
    `EmbeddingModel` keeps without projections of its own, with
    `embedding_dim=None`. Their temperature is that of the backbone's head,
    `exp(-logit_scale)`, as in the second example, and so is SigLIP's `bias`,
    `logit_bias`.

    A heavy frozen encoder need not run in every epoch: `encoder.predict` all
    examples once, and train an `EmbeddingModel({"image": dim, ...})` on the
    vectors.

    Args:
        backbone: `keras_hub.models.Backbone` with random or pretrained
            weights, of pictures (EfficientNet, ResNet, ViT, DINOv2, ...), of
            texts (BERT, RoBERTa, DistilBERT, GPT-2, ...), of speech (Whisper)
            or of pictures and texts (CLIP, SigLIP). Of an encoder with a
            decoder, the encoder is used.
        trainable_blocks: How many of the last blocks (transformer layers,
            residual blocks) train, with all that comes after them; what is
            before them is frozen. 0 freezes the backbone, `"all"` trains all
            of it. Dropout is off only where all is frozen. A backbone with
            LoRA (`backbone.enable_lora(rank)` before) trains its adapters:
            leave this 0.
            `encoder.trainable_blocks = 2` later is possible too, before the
            model is compiled again.
        pooling: How features become one vector. `"mean"`: the average over
            the places of a feature map, the tokens of a text that are not
            padding, the patches of a picture (with a class token, if any) or
            the frames of speech. `"first"`: the first token, which is the
            class token of ViT and BERT. `"last"`: the last token that is not
            padding, for decoders such as GPT-2. `"pooled"`: the backbone's
            `pooled_output`. CLIP and SigLIP have an embedding of their own,
            which is taken as it is.
        modality: `"image"` or `"text"` for a backbone of both, whose two
            encoders then share it; else None.
        rescaling: Keras layer that brings pictures from [0, 1], as
            `ImagePreprocessor` makes them, to what the backbone was trained
            on: `keras.layers.Rescaling(2.0, -1.0)` for [-1, 1],
            `keras.layers.Rescaling(255.0)`, or `keras.layers.Normalization`
            with mean and variance. None: not changed.
        padding_id: Integer, the token id that is padding, such as
            `tokenizer.pad_token_id`. For texts only.
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

        sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16}
        clip = keras_hub.models.CLIPBackbone(
            keras_hub.models.CLIPVisionEncoder(
                8, **sizes, intermediate_dim=32, image_shape=(32, 32, 3)
            ),
            keras_hub.models.CLIPTextEncoder(
                50, 16, **sizes, intermediate_dim=32, max_sequence_length=12
            ),
            projection_dim=8,
        )  # or `.from_preset(...)`
        head = clip.get_layer("clip_head")
        model = kx.EmbeddingModel(
            encoders={
                name: kx.networks.from_keras_hub(clip, modality=name)
                for name in ("image", "text")
            },
            embedding_dim=None,
            temperature=float(np.exp(-head.logit_scale)),
        )
        ids = np.arange(24).reshape(2, 12)
        x = {"image": images, "text": ids}
        model.predict(x, verbose=0)["text"].shape  # (2, 8)
        ```

    Reference:
        - Zhai et al., 2022 (frozen towers), https://arxiv.org/abs/2111.07991
        - Reimers and Gurevych, 2019 (mean of tokens),
          https://arxiv.org/abs/1908.10084
    """
    keras_hub = import_keras_hub("from_keras_hub")
    if not isinstance(backbone, keras_hub.models.Backbone):
        raise TypeError(
            "`backbone` must be a `keras_hub.models.Backbone`; of a task, "
            "pass `task.backbone`. Received: "
            f"backbone of type {type(backbone).__name__}"
        )
    if trainable_blocks != "all":
        try:
            trainable_blocks = checks.integer(
                "trainable_blocks", trainable_blocks, least=0
            )
        except (TypeError, ValueError) as error:
            raise type(error)(
                "`trainable_blocks` must be 'all' or a non-negative integer. "
                f"Received: trainable_blocks={trainable_blocks!r}"
            ) from None
    pooling = checks.one_of("pooling", pooling, _POOLINGS)
    checks.keras_layer("rescaling", rescaling, optional=True)
    return KerasHubEncoder(
        backbone,
        trainable_blocks=trainable_blocks,
        pooling=pooling,
        modality=modality,
        rescaling=rescaling,
        padding_id=padding_id,
        name=name,
    )


def import_keras_hub(user):
    """Import KerasHub, or say how to install it."""
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            f"`{user}` needs KerasHub: pip install 'keras-xmodal[hub]'"
        ) from error
    return keras_hub
