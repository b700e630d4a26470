"""From pairs to a trained `EmbeddingModel`, by what the data says."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_xmodal import checks, losses, saving
from keras_xmodal.recipes.backup import check_backup
from keras_xmodal.recipes.embedding_recipe import EmbeddingRecipe
from keras_xmodal.recipes.options import Options
from keras_xmodal.recipes.pairs import read_parts
from keras_xmodal.recipes.plan import Plan
from keras_xmodal.recipes.pretrained import read_towers
from keras_xmodal.recipes.start import AUGMENTATIONS, Start

TEMPERATURE = 0.1


def embedding(
    train: tf.data.Dataset | tuple,
    validation: tf.data.Dataset | tuple | float | None = 0.1,
    *,
    kinds: Mapping[str, str] | None = None,
    augmentation: str | Mapping[str, keras.layers.Layer | None] | None = "auto",
    towers: str | os.PathLike | Mapping[str, Any] = "auto",
    network: str | bool = "auto",
    reader: str | bool = "auto",
    image_size: int | None = None,
    duration: float | None = None,
    num_frames: int = 8,
    loss: str | losses.ContrastiveLoss = "info_nce",
    temperature: float = TEMPERATURE,
    backup_dir: str | os.PathLike | None = None,
    seed: int = 0,
    verbose: str | int = "auto",
) -> EmbeddingRecipe:
    """Choose towers for pairs of any modalities, and start them.

    It looks at the data, and tries on the validation items what can be tried
    in seconds: a text tower of character n-grams and English word vectors, for
    all other modalities a linear regression, in closed form, from features
    that need no training (oriented gradients of pictures and spectrograms),
    under several augmentations and penalties. The best is the start of an
    `EmbeddingModel` with its preprocessors, compiled. `recipe.fit()` trains
    it, and never ends below that start on the validation items. Nor does it
    end below the ridge baseline, raw data to n-grams: where that is better
    than the start, both are trained, and the better is kept.

    Where there is enough data, or `network=True`, a small network is trained
    beside the features, from nothing.

    All of the data is in memory, and the features of all rows, several times
    while the best are chosen: of a picture of 64 pixels 2,400 float32, for it
    and for up to six augmented copies, of which there are at most 24,000 in
    all.

    Args:
        train: `tf.data.Dataset` of single raw examples `(x, ids)` or `(x, ids,
            sample_weight)`, as `kx.datasets.from_csv` returns it, or such a
            tuple of arrays. `x` is a dict `{modality: value}`; rows that share
            an id and all but their texts are one thing with several captions.
            Weights say where a modality is there, 1, and where missing, 0.
        validation: The same of other items, or the share of the items that is
            taken from `train`. None: a tenth is held out for the choices
            alone; then all data is trained on, as long as `epochs` says.
        kinds: Dict `{modality: "image", "text", "speech", "video" or
            "numbers"}` where the content does not tell.
        augmentation: `"auto"` for what is best on the validation items; or a
            dict `{modality: Keras layer or None}`, for some of the pictures
            and recordings; None for none at all.
        towers: Frozen pretrained towers, which run once over the data. What
            they say is tried on the validation items alone and beside the
            features above. `"auto"` for none; the name, handle or folder of a
            KerasHub preset of pictures, of texts or of both (CLIP, SigLIP,
            MetaCLIP 2), whose own embeddings are one of the starts; or a dict
            `{modality: preset}`, where a tuple `(preprocessor, encoder)` of
            Keras layers, from raw data to `(batch, dim)`, may stand in the
            place of a preset; the encoder is frozen.
        network: Whether to train a network beside the fixed features;
            `"auto"` from 2,000 rows on, without pretrained towers.
        reader: Whether to train a network that reads recordings: it learns by
            CTC to write their text, and the pairs of characters that it hears
            are one of the features that are tried. `"auto"` from a minute of
            speech on. It takes minutes, here and not in `fit`.
        image_size: Integer, height and width of pictures and frames. Defaults
            to 64, or 32 where pictures are as small as that.
        duration: Float, seconds of a recording. Defaults to the longest one,
            at most 20.
        num_frames: Integer, frames of a clip.
        loss: A `kx.losses.ContrastiveLoss` or its snake-case name.
        temperature: Float, where the learned temperature starts.
        backup_dir: Folder for backups, from which the same call goes on after
            a kill, exactly. It is left to be removed.
        seed: Integer, seed of everything random.
        verbose: 0 for silence; else progress bars.

    Returns:
        `EmbeddingRecipe`.

    Raises:
        ImportError: If `towers` names a preset and KerasHub is not installed.
        TypeError: If an argument is of a wrong type.
        ValueError: If the data is too little to be told apart, holds a
            modality that comes with no other, or an argument does not fit it;
            or if all rows of `validation` are in `train`. If some are, a
            warning counts them.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x, ids = next(iter(kx.datasets.load("emoji").batch(60)))
        x = {"image": x["image"].numpy(), "text": x["text"].numpy()}
        recipe = kx.recipes.embedding((x, ids.numpy()), 0.2, verbose=0)
        print(recipe.plan)
        recipe.fit(epochs=2)
        print(recipe.evaluate()["image_to_text"]["R@1"])
        print(recipe.model.encode(["a red apple"], "text").shape)
        ```

    Reference:
        - Zhai et al., 2022 (LiT), https://arxiv.org/abs/2111.07991
        - Wortsman et al., 2022 (WiSE-FT), https://arxiv.org/abs/2109.01903
    """
    seed = checks.seed(seed)
    network = _auto_or_boolean("network", network)
    reader = _auto_or_boolean("reader", reader)
    is_verbose = checks.verbose(verbose)
    numbers = {
        "image_size": None
        if image_size is None
        else checks.integer("image_size", image_size, least=8),
        "duration": checks.positive("duration", duration, optional=True),
        "num_frames": checks.positive_integer("num_frames", num_frames),
        "temperature": checks.in_range("temperature", temperature, 0.01, 1),
    }
    pairs, known, unseen = read_parts(train, validation, kinds, seed)
    of_kind = set(pairs.kinds.values())
    if duration is not None and "speech" not in of_kind:
        raise ValueError(
            "`duration` is of recordings. Received: "
            f"duration={duration}, and modalities {pairs.kinds}"
        )
    options = Options(
        augmentation=_augmentation(augmentation, pairs),
        towers=read_towers(towers, pairs.kinds),
        network=network,
        loss=saving.resolve("loss", loss, losses.ContrastiveLoss),
        reader=reader,
        backup=checks.path("backup_dir", backup_dir, optional=True),
        seed=seed,
        verbose=is_verbose,
        **numbers,
    )
    check_backup(options, pairs, unseen)
    if validation is None:
        start = Start(known, unseen, options, Plan())
        options = dataclasses.replace(
            options,
            choices=start.choices,
            from_baseline=start.is_below_baseline,
        )
        known = pairs
    return EmbeddingRecipe(known, unseen, options)


def _auto_or_boolean(argument, value):
    if isinstance(value, str):
        return checks.one_of(argument, value, ("auto", True, False))
    return checks.boolean(argument, value)


def _augmentation(augmentation, pairs):
    """Layers by modality: those that are given."""
    may = [n for n, kind in pairs.kinds.items() if kind in AUGMENTATIONS]
    if isinstance(augmentation, str):
        checks.one_of("augmentation", augmentation, ("auto", None))
        return {}
    if augmentation is None:
        return dict.fromkeys(may)
    if augmentation:
        checks.modalities("augmentation", augmentation, may)
    for layer in augmentation.values():
        checks.keras_layer("augmentation", layer, optional=True)
    return dict(augmentation)
