"""From pairs to a trained `GANModel`, which draws what a text says."""

import os
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import adversarial, checks
from keras_xmodal.layers import DiffAugment
from keras_xmodal.models import GANModel
from keras_xmodal.networks import (
    ConvDiscriminator,
    ConvGenerator,
    ImagePreprocessor,
)
from keras_xmodal.recipes.generation_recipe import (
    IMAGE_SIZE,
    Family,
    GenerationRecipe,
    make_recipe,
)

SOURCES = ("text", "numbers")
EPOCHS = 30
LATENT_DIM = 32
LEARNING_RATE = 2e-3
GAMMA = 0.5
FILTERS = (64, 32, 16)  # from the coarsest grid to the picture
EMA_MOMENTUM = 0.995


def gan(
    train: tf.data.Dataset | tuple,
    validation: tf.data.Dataset | tuple | float | None = 0.1,
    *,
    source: str | None = None,
    target: str | None = None,
    kinds: Mapping[str, str] | None = None,
    image_size: int = IMAGE_SIZE,
    backup_dir: str | os.PathLike | None = None,
    seed: int = 0,
    verbose: str | int = "auto",
) -> GenerationRecipe:
    """Choose a GAN that draws pictures of what texts or numbers say.

    It makes a `GANModel` with its preprocessors, compiled, of small residual
    convolutions, with the relativistic loss, its penalties, mismatched
    captions and shifted pictures. A text is told to it by character n-grams
    and English word vectors in frozen tables, those of `kx.recipes.embedding`,
    so that words have a meaning before training, and words that it never
    showed have one, too. `recipe.fit()` trains it and keeps the epoch whose
    pictures, in [0, 1], show best what they were drawn from.

    Args:
        train: As for `kx.recipes.vae`.
        validation: As for `kx.recipes.vae`.
        source: Name of the modality that is given, of kind `"text"` or
            `"numbers"`. Defaults to the first of texts, or else of numbers.
        target: Name of the modality that is drawn, of kind `"image"`. Defaults
            to the first of pictures.
        kinds: As for `kx.recipes.embedding`.
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
        ValueError: If the data is too little, all texts or pictures are the
            same, there are none, or an argument does not fit it.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x, ids = next(iter(kx.datasets.load("emoji").batch(60)))
        x = {"image": x["image"].numpy(), "text": x["text"].numpy()}
        recipe = kx.recipes.gan((x, ids.numpy()), image_size=16, verbose=0)
        recipe.fit(epochs=1)
        pictures = recipe.model.generate(np.array(["a red apple"]), seed=0)
        ```

    Reference:
        - Huang et al., 2024, https://arxiv.org/abs/2501.05441
        - Reed et al., 2016, https://arxiv.org/abs/1605.05396
        - Zhao et al., 2020 (DiffAugment), https://arxiv.org/abs/2006.10738
    """

    def choose(pairs):
        given = _modality("source", source, SOURCES, pairs.kinds)
        drawn = _modality("target", target, ("image",), pairs.kinds)

        def build(start, plan):
            return _build(start, plan, given, drawn)

        return [given, drawn], Family(
            [(given, drawn)],
            build,
            lambda x: x[given],
            _compile,
            _draw,
            EPOCHS,
        )

    return make_recipe(
        train,
        validation,
        kinds,
        choose,
        image_size=image_size,
        backup_dir=backup_dir,
        seed=seed,
        verbose=verbose,
    )


def _modality(argument, name, wanted, kinds):
    """The modality that is asked for, or the first of a kind with a default."""
    if name is not None:
        checks.one_of(argument, name, kinds)
    names = kinds if name is None else [name]
    for kind in wanted:
        for each in names:
            if kinds[each] == kind:
                return each
    raise ValueError(
        f"`{argument}` must be a modality of kind {' or '.join(wanted)}, for "
        "which there is a default; for others build a `GANModel` of your "
        f"networks. Received: { ({n: kinds[n] for n in names}) }"
    )


def _build(start, plan, source, target):
    tower = start.towers[source]
    tower.features.trainable = False
    shape = start.train.x[target].shape[1:]
    preprocessors = {target: ImagePreprocessor(shape[:2])}
    if tower.preprocessor is not None:
        preprocessors[source] = tower.preprocessor
    plan.add(
        "generator",
        "GANModel, relativistic with R1 and R2",
        f"it draws {target} of {source}, and of noise what that leaves open",
    )
    return GANModel(
        generator=ConvGenerator(shape, FILTERS, activation="sigmoid"),
        discriminator=ConvDiscriminator(FILTERS[::-1]),
        latent_dim=LATENT_DIM,
        condition_encoder=tower.features,
        condition=source,
        target=target,
        ema_momentum=EMA_MOMENTUM,
        augmenter=DiffAugment(("translation",)),
        preprocessors=preprocessors,
        seed=start.seed,
    )


def _compile(model, steps):
    def optimizer():
        rate = keras.optimizers.schedules.CosineDecay(
            LEARNING_RATE, steps, alpha=0.05
        )
        return keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99)

    model.compile(
        optimizer(),
        optimizer(),
        penalties=[adversarial.R1(GAMMA), adversarial.R2(GAMMA)],
        mismatch_weight=0.5,
    )


def _draw(model, source, target, values, seed):
    made = model.generate(values, seed=seed)
    return np.rint(255 * made.clip(0, 1)).astype("uint8")
