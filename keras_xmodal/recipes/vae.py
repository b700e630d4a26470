"""From pairs to a trained `VAEModel`, which makes any of them of the others."""

import itertools
import os
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import likelihoods, objectives
from keras_xmodal.models import VAEModel
from keras_xmodal.networks import (
    ImageDecoder,
    ImageEncoder,
    ImagePreprocessor,
    TextDecoder,
    TextEncoder,
    TextPreprocessor,
)
from keras_xmodal.recipes.generation_recipe import (
    IMAGE_SIZE,
    Family,
    GenerationRecipe,
    make_recipe,
)

KINDS = ("image", "text", "numbers")
EPOCHS = 12
SHIFT = 0.1  # of pictures, in parts of their size
LATENT_DIM, PRIVATE_DIM = 16, 8
LEARNING_RATE = 1e-3
FILTERS = (64, 48, 32)  # from the coarsest grid to the picture
MAX_TOKENS, MAX_LENGTH = 8000, 32
_BETA = 2.0
# A picture has thousands of numbers, a text some words.
_WEIGHTS = {"image": 1.0, "text": 5.0, "numbers": 5.0}
_WORD_DIM, _FEATURES, _TEXT_DIM = 64, 256, 64


def vae(
    train: tf.data.Dataset | tuple,
    validation: tf.data.Dataset | tuple | float | None = 0.1,
    *,
    kinds: Mapping[str, str] | None = None,
    image_size: int = IMAGE_SIZE,
    backup_dir: str | os.PathLike | None = None,
    seed: int = 0,
    verbose: str | int = "auto",
) -> GenerationRecipe:
    """Choose a VAE of pictures, texts and numbers, which translates any way.

    It makes a `VAEModel` with its preprocessors, compiled: small
    convolutional networks for pictures, words as tokens and a small
    transformer that writes them, and dense layers for numbers in their own
    units. What modalities share has a latent of its own, and what each has for
    itself, such as the place of a thing that no caption tells, another: its
    samples are different pictures of one caption. `recipe.fit()` trains it
    and keeps the epoch in which what it makes of the validation items shows
    best what it was made of.

    Pictures come in about [0, 1], to be clipped. Texts come as probabilities
    of tokens, or with `output="mode"` as tokens, of which
    `model.preprocessors["text"].detokenize` makes words. What is given in two
    modalities is a mixture: each sample follows one of them.

    It knows the words of the training alone, and not their order. Of some
    hundred pairs, what it draws of a text is blurred, colors and sizes more
    than shapes; `kx.recipes.gan` draws sharper pictures in twice the time.

    Args:
        train: `tf.data.Dataset` of single raw examples `(x, ids)` or `(x, ids,
            sample_weight)`, as `kx.datasets.from_csv` returns it, or such a
            tuple of arrays, as for `kx.recipes.embedding`: pictures, texts
            and vectors of numbers, at least two modalities.
        validation: The same of other items, or the share of the items that is
            taken from `train`. None: all data is trained on, as long as
            `epochs` says.
        kinds: Dict `{modality: "image", "text" or "numbers"}` where the
            content does not tell.
        image_size: Integer of at least 8, height and width in pixels of what
            is drawn; pictures of other sizes are brought to it. The time of a
            step grows with its square.
        backup_dir: Folder for backups, from which the same call goes on after
            a kill, exactly. It is left to be removed.
        seed: Integer, seed of everything random.
        verbose: 0 for silence; else a progress bar.

    Returns:
        `GenerationRecipe`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If the data is too little, a modality is all the same or of
            a kind without a default, or an argument does not fit it.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x, ids = next(iter(kx.datasets.load("emoji").batch(60)))
        x = {"image": x["image"].numpy(), "text": x["text"].numpy()}
        recipe = kx.recipes.vae((x, ids.numpy()), image_size=16, verbose=0)
        recipe.fit(epochs=1)
        texts = {"text": np.array(["a red apple"])}
        pictures = recipe.model.translate(texts, to="image")  # (1, 16, 16, 3)
        ```

    Reference:
        - Palumbo et al., 2023 (MMVAE+),
          https://openreview.net/forum?id=sdQGxouELX
    """
    return make_recipe(
        train,
        validation,
        kinds,
        _choose,
        image_size=image_size,
        backup_dir=backup_dir,
        seed=seed,
        verbose=verbose,
    )


def _choose(pairs):
    for name, kind in pairs.kinds.items():
        if kind not in KINDS:
            raise ValueError(
                "`kx.recipes.vae` has defaults for pictures, texts and "
                "numbers; leave other modalities out, or build a `VAEModel` "
                f"of your networks. Received: {name!r} of kind {kind}"
            )
    names = list(pairs.x)
    directions = list(itertools.permutations(names, 2))
    return names, Family(directions, _build, dict, _compile, _draw, EPOCHS)


def _build(start, plan):
    train, seed = start.train, start.seed
    parts: dict[str, dict] = {
        key: {} for key in ("encoders", "decoders", "likelihoods")
    }
    preprocessors = {}
    for name, kind in train.kinds.items():
        values = train.x[name][train.there[name]]
        networks, preprocessor = _NETWORKS[kind](values, seed)
        for key, layer in zip(parts, networks, strict=True):
            parts[key][name] = layer
        if preprocessor is not None:
            preprocessors[name] = preprocessor
    plan.add(
        "generator",
        "VAEModel, MMVAE+",
        "it takes any of the modalities and makes the others",
    )
    return VAEModel(
        latent_dim=LATENT_DIM,
        **parts,
        objective=objectives.MMVAEPlus(
            PRIVATE_DIM, beta=_BETA, estimator="elbo"
        ),
        modality_weights={n: _WEIGHTS[k] for n, k in train.kinds.items()},
        preprocessors=preprocessors,
        seed=seed,
    )


def _image(values, seed):
    size = values.shape[1:3]
    encoder = ImageEncoder(
        size,
        FILTERS[::-1],
        num_orientations=0,
        linear_path=False,
        output_dim=_FEATURES,
        dropout=0.0,
    )
    # Shifts alone: what is drawn should look as the pictures do.
    shifts = keras.layers.RandomTranslation(
        *(SHIFT, SHIFT),
        fill_mode="nearest",
        interpolation="nearest",
        seed=seed,
    )
    return (
        (encoder, ImageDecoder(size, 3, FILTERS), _calibrated()),
        ImagePreprocessor(size, augmentation=shifts),
    )


def _calibrated():
    return likelihoods.CalibratedNormal()


def _text(values, seed):
    texts = np.unique(values.astype(str))
    words = np.char.count(np.char.strip(texts), " ") + 1
    length = min(int(np.quantile(words, 0.99)) + 2, MAX_LENGTH)
    preprocessor = TextPreprocessor(
        max_tokens=MAX_TOKENS, sequence_length=length, end_token=True
    )
    preprocessor.adapt(texts)
    size = preprocessor.vocabulary_size()
    encoder = TextEncoder(size, _WORD_DIM, (_FEATURES, _FEATURES))
    decoder = TextDecoder(
        size,
        length,
        hidden_dim=_TEXT_DIM,
        num_layers=1,
        dropout=0.0,
        token_dropout=0.5,
        end_id=preprocessor.end_id,
    )
    return (encoder, decoder, likelihoods.TokenSequence(size)), preprocessor


def _numbers(values, seed):
    """Networks of standardised numbers, with scales in the units of the data.

    What is known exactly would otherwise count without bounds.
    """
    values = values.astype("float32")
    size = values.shape[1]
    mean, scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
    encoder = keras.Sequential(
        [
            keras.Input((size,)),
            keras.layers.Normalization(mean=mean, variance=scale**2),
            keras.layers.Dense(_FEATURES, "silu"),
            keras.layers.Dense(_FEATURES, "silu"),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.layers.Dense(_FEATURES, "silu"),
            keras.layers.Dense(_FEATURES, "silu"),
            keras.layers.Dense(2 * size, kernel_initializer="zeros"),
            keras.layers.Rescaling(
                scale=[*scale.tolist(), *[1.0] * size],
                offset=[*mean.tolist(), *np.log(scale).tolist()],
            ),
        ]
    )
    logs = np.log(scale)
    likelihood = likelihoods.HeteroscedasticNormal(
        float(logs.min()) - 3, float(logs.max()) + 1
    )
    return (encoder, decoder, likelihood), None


_NETWORKS = {"image": _image, "text": _text, "numbers": _numbers}


def _compile(model, steps):
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE, steps, alpha=0.05
    )
    model.compile(keras.optimizers.Adam(rate))
    model.optimizer.build(model.trainable_variables)


def _draw(model, source, target, values, seed):
    made = model.translate(
        {source: values}, target, latent="sample", output="mode", seed=seed
    )
    if isinstance(model.likelihoods[target], likelihoods.TokenSequence):
        texts = model.preprocessors[target].detokenize(made)
        return np.array(texts, object)
    if isinstance(model.decoders[target], ImageDecoder):
        return np.rint(255 * made.clip(0, 1)).astype("uint8")
    return made
