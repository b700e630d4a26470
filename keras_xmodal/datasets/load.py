"""Load a data set as a `tf.data.Dataset`."""

import functools
import os
from collections.abc import Sequence

import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.datasets.collection import (
    emoji,
    emoji_large,
    emoji_motion,
    mnist_fashion,
    moving_mnist,
    poly_mnist,
    spoken_prompts,
)

# A data set is a module with `SPLITS`, `MODALITIES`, `DEFAULT_MODALITIES`,
# `OPTIONS` (the arguments of `load` that are its own) and
# `examples(split, modalities, **options)`, a `tf.data.Dataset` of dicts.
_DATA_SETS = {
    "emoji": emoji,
    "emoji_large": emoji_large,
    "emoji_motion": emoji_motion,
    "mnist_fashion": mnist_fashion,
    "moving_mnist": moving_mnist,
    "poly_mnist": poly_mnist,
    "spoken_prompts": spoken_prompts,
}


def load(
    name: str,
    split: str = "train",
    modalities: tuple[str, ...] | None = None,
    *,
    columns: Sequence[str] = (),
    languages: tuple[str, ...] | None = None,
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Load a split of a data set as a `tf.data.Dataset`.

    Examples are `({modality: value}, id)`, as those of `from_csv` and
    `from_tfds`: batches of them are what `fit` takes. Equal ids, int64, say
    that two examples show the same thing: they are positives of each other.
    What else is known of an example is a column, which is in the dict, too,
    where `columns` names it.

    **`"emoji"`** comes with the package: 831 concepts (animals, food, objects,
    places, activities), each drawn in two styles at 32 x 32 pixels, named in
    seven languages, with English keywords; 60 of them are also spoken by four
    synthetic voices. Its splits are one training set and five questions to
    it. 150 of the concepts are held out, the other 681 are seen:

    - `"train"`: Noto pictures of the seen concepts, with their names.
    - `"test_keyword"`: the same pictures, with keywords that belong to one
      concept only and are no name (several captions a picture). They are
      unseen captions; a keyword may still be a word within a name.
    - `"test_language"`: the same pictures, with those Italian names that are
      no name in another language of the sample.
    - `"test_style"`: Fluent pictures of the seen concepts, with names.
    - `"test_concept"`: Noto pictures of the held-out concepts, with names.
    - `"test_style_concept"`: Fluent pictures of the held-out concepts, with
      names.

    There is one example for each picture and caption; without `"text"`, one
    for each picture. With `"speech"` there are only concepts that have
    recordings, and one example for each voice. The id is the number of the
    concept. The modalities are `image`, uint8 `(32, 32, 3)`, `text`, string,
    and `speech`, float32 `(samples,)` at 8 kHz in [-1, 1], padded with zeros
    to the longest recording. The columns are
    `keywords`, string `(8,)`, padded with `""` (not unseen ones: they hold
    the captions of `"test_keyword"`);
    with `"image"`: `style`, string, `"noto"` or `"fluent"`;
    with `"text"`: `language`, string;
    with `"speech"`: `speech_length`, int64, the number of samples before
    padding, and `voice`, string.

    **`"emoji_motion"`** is made of the same pictures: clips of 8 frames of
    32 x 32 pixels in which one of them, at about half its size, is in motion
    over white, with captions such as "a red apple moves left". The motions
    are moving left (0), right (1), up (2) and down (3), growing (4),
    shrinking (5), spinning clockwise (6) and anticlockwise (7), and bouncing
    (8). Each is a loop, which a clip shows once, from a random frame on; what
    leaves on one side comes back on the other. Opposites are the same loop
    forwards and backwards, so that no single frame tells which it is. Each
    concept is trained in seven motions:

    - `"train"`: Noto clips of the seen concepts, in seven motions each.
    - `"test"`: Noto clips of the seen concepts, in their other two motions.
    - `"test_concept"`: Noto clips of the held-out concepts, in all motions.
    - `"test_style"`: Fluent clips of the seen concepts, as in training.

    The id is another for each pair of concept and motion. The modalities are
    `video`, uint8 `(8, 32, 32, 3)`, and `text`, string; the columns are
    `concept`, the id of `"emoji"`, and `motion`, 0 to 8, int64; `style`,
    string.

    The others are to be fetched once, with `fetch`.

    **`"emoji_large"`** has 1,599 concepts, drawn by three makers at 64 x 64
    pixels, with names in 13 languages. All is as in `"emoji"`,
    with `keywords` of shape `(17,)`, `image` of shape `(64, 64, 3)`, and
    `style` `"google"`, `"twitter"` or `"fluent3d"`. 300 of the concepts are
    held out:

    - `"train"`: Google and Twitter pictures of the seen concepts.
    - `"test_style"`: Fluent 3D pictures of the seen concepts.
    - `"test_concept"`: Google and Twitter pictures of the held-out concepts.
    - `"test_style_concept"`: Fluent 3D pictures of the held-out concepts.

    **`"spoken_prompts"`** has 1,537 recordings of prompts of a telephone
    exchange, 551 in English (24 minutes), 477 in Spanish (29) and 509 in French
    (24), one voice each. The splits are `"test"`, of each language 100
    recordings of transcripts that occur once, and `"train"`, the others; they
    share no transcript. Ids are equal where the words of the transcript are.
    The modalities are `speech`, string, the content of a WAV file at 8 kHz, as
    `SpeechPreprocessor` takes it, and `text`, string; the columns are
    `language`, string, and with `"speech"`: `speech_length`, int64, its number
    of samples (half of them have less than 1.5 seconds, one in twenty more
    than 8.1).

    **`"moving_mnist"`**, **`"mnist_fashion"`** and **`"poly_mnist"`** are made
    of MNIST and Fashion-MNIST. They have the splits `"train"` (60,000
    examples) and `"test"` (10,000), always the same ones, in the order of
    MNIST's digits. The column `label`, int64, is the class, 0 to 9, and so is
    the id. The modalities are

    - `"mnist_fashion"`: `mnist`, a digit, and `fashion`, a piece of clothing
      of the class of the same number, uint8 `(28, 28, 1)`.
    - `"poly_mnist"`: `m0` to `m4`, five different digits of one class, uint8
      `(28, 28, 3)`. Each inverts the colours of a crop of a background:
      stripes, checks, clouds, blobs and gradients of hue. They are drawn when
      they are asked for; `cache` keeps them between epochs.
    - `"moving_mnist"`: `video`, uint8 `(8, 32, 32, 1)`, a clip of a digit at
      16 x 16 pixels that bounces between two sides, and `text`, string, such
      as "the digit 3 moves left and right". The column `motion`, int64, is
      left and right (0) or up and down (1), which no single frame tells. The
      id is another for each pair of digit and motion.

    Args:
        name: Name of the data set.
        split: Name of a split, or several joined with `+`:
            `"train+test_style"`.
        modalities: Which modalities the examples have: `"image"`, `"text"`
            and `"speech"` of `"emoji"`, `"image"` and `"text"` of
            `"emoji_large"`, `"speech"` and `"text"` of `"spoken_prompts"`,
            `"video"` and `"text"` of `"emoji_motion"` and `"moving_mnist"`,
            `"mnist"` and `"fashion"` of `"mnist_fashion"`, `"m0"` to `"m4"` of
            `"poly_mnist"`. `None` is all of them, but for `"speech"` of
            `"emoji"`.
        columns: Which columns the dict has besides the modalities. Without
            any, examples can be trained with as they are.
        languages: Languages of the captions; `None` is English. For `"emoji"`
            out of `"en"`, `"de"`, `"es"`, `"fr"`, `"it"`, `"ru"` and `"zh"`,
            where `"it"` is left out of training; the captions of
            `"test_keyword"` are English and those of `"test_language"`
            Italian, whatever is asked for here. For `"emoji_large"` out of
            these and `"hi"`, `"ja"`, `"ko"`, `"pl"`, `"pt"` and `"uk"`, all in
            every split. For `"spoken_prompts"` out of `"en"`, `"es"` and
            `"fr"`.
        data_dir: Folder of what `fetch` fetched; `None` is
            `~/.cache/keras_xmodal`. MNIST and Fashion-MNIST may also be put
            there by hand, as the folders `mnist` and `fashion_mnist` with the
            four IDX files of each.

    Returns:
        A `tf.data.Dataset` of known cardinality, not batched, in a fixed
        order.

    Raises:
        ValueError: If an argument names something that the data set has not,
            or a file of the data set is damaged.
        TypeError: If an argument has the wrong type.
        FileNotFoundError: If a file of the data set is missing.

    Example:

    ```python
    import keras_xmodal as kx

    data = kx.datasets.load("emoji", split="train").shuffle(681)
    for x, ids in data.batch(64).take(1):
        print(x["image"].shape, x["text"].shape, ids.shape)
    ```

    A whole data set as NumPy arrays is one batch of it:

    ```python
    import keras_xmodal as kx

    test = kx.datasets.load("emoji", "test_concept", columns=["keywords"])
    x, ids = test.batch(len(test)).as_numpy_iterator().next()
    print(x["image"].shape, x["keywords"].shape)
    ```
    """
    examples = read_examples(name, split, modalities, languages, data_dir)
    if modalities is None:
        modalities = _DATA_SETS[name].DEFAULT_MODALITIES
    known = [
        key for key in examples.element_spec if key not in (*modalities, "id")
    ]
    columns = checks.some_of("columns", columns, known, empty=True)
    names = (*modalities, *columns)
    return examples.map(
        lambda example: ({key: example[key] for key in names}, example["id"])
    )


def read_examples(
    name, split="train", modalities=None, languages=None, data_dir=None
):
    """Read a split as dicts of the `id`, the modalities and all columns."""
    checks.one_of("name", name, tuple(_DATA_SETS))
    source = _DATA_SETS[name]
    splits = _split_names(split, tuple(source.SPLITS))
    if modalities is None:
        modalities = source.DEFAULT_MODALITIES
    modalities = checks.some_of("modalities", modalities, source.MODALITIES)
    options = {"languages": languages, "data_dir": data_dir}
    options = {
        key: value for key, value in options.items() if value is not None
    }
    for key in options.keys() - set(source.OPTIONS):
        raise ValueError(
            f"`{key}` must be left out for the data set {name!r}, which knows "
            f"only {source.OPTIONS}. Received: {key}={options[key]!r}"
        )
    dataset = functools.reduce(
        tf.data.Dataset.concatenate,
        [source.examples(split, modalities, **options) for split in splits],
    )
    if not len(dataset):
        raise ValueError(
            "`split` and `modalities` must select at least one example. "
            f"Received: name={name!r}, split={split!r}, "
            f"modalities={modalities}, {options}"
        )
    return dataset


def _split_names(split, choices):
    """The names of splits that a string joins with `+`."""
    names = checks.string("split", split).split("+")
    names = tuple(name.strip() for name in names)
    if not set(names) <= set(choices) or len(set(names)) < len(names):
        raise ValueError(
            f"`split` must be one or several different ones of {choices}, "
            f"joined with '+'. Received: split={split!r}"
        )
    return names
