"""How the demo trains: its pairs, its augmentation, its recipe."""

import numpy as np

from keras_xmodal import datasets, recipes
from keras_xmodal.layers import ImageAugmentation

EPOCHS = 40
# Italian is left out for a test.
LANGUAGES = ("en", "de", "es", "fr", "ru", "zh")


def read_train(split: str = "train") -> dict:
    """Read pictures and their names in all languages of the training.

    Args:
        split: Split whose captions are names.

    Returns:
        Dict of `id`, `image` (uint8, `(pictures, 32, 32, 3)`) and `texts`,
        an array of strings `(pictures, languages)`.
    """
    texts = []
    for language in LANGUAGES:
        data = datasets.load("emoji", split, languages=(language,))
        x, ids = data.batch(len(data)).as_numpy_iterator().next()
        texts.append([text.decode() for text in x["text"]])
    return {"id": ids, "image": x["image"], "texts": np.array(texts).T}


def as_pairs(train: dict) -> tuple[dict, np.ndarray]:
    """Each picture with each of its names.

    Args:
        train: Dict as `read_train` returns it.

    Returns:
        Tuple `(x, ids)` of arrays, as recipes and `fit` take them.
    """
    languages = train["texts"].shape[1]
    x = {
        "image": np.repeat(train["image"], languages, axis=0),
        "text": train["texts"].ravel(),
    }
    return x, np.repeat(train["id"], languages)


def make(
    train: dict,
    seed: int = 0,
    quiet: bool = False,
    is_seen: np.ndarray | None = None,
    **options,
) -> recipes.EmbeddingRecipe:
    """The recipe of the demo: all data, and augmentation for another style.

    Nothing is held out to stop by: the questions are about other pictures of
    the concepts that it learns, and concepts that are left out tell too little
    of that.

    Args:
        train: Dict as `read_train` returns it; pictures of any one size.
        seed: Integer, seed of everything random.
        quiet: Whether to leave progress bars out.
        is_seen: Array of bools, which pictures there are; of the others there
            are the names alone.
        **options: Further arguments of `kx.recipes.embedding`.

    Returns:
        Recipe to `fit`.
    """
    options = {"augmentation": {"image": make_augmentation(seed)}, **options}
    pairs = as_pairs(train)
    if is_seen is not None:
        weight = np.repeat(is_seen, train["texts"].shape[1])
        pairs = (*pairs, {"image": weight})
    return recipes.embedding(
        pairs,
        validation=None,
        network=False,
        seed=seed,
        verbose=not quiet,
        **options,
    )


def make_augmentation(seed: int) -> ImageAugmentation:
    """Changes that leave a drawing what it is, in another style."""
    return ImageAugmentation(
        rotation=0.05,
        translation=0.1,
        zoom=0.2,
        stretch=0.1,
        shear=0.15,
        hue=0.12,
        saturation=0.7,
        contrast=0.3,
        color_mixing=0.12,
        gamma=0.4,
        blur=0.7,
        grayscale=0.1,
        seed=seed,
    )
