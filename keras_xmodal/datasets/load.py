"""Load a data set as a `tf.data.Dataset`."""

import functools

import numpy as np
import tensorflow as tf

from keras_xmodal.datasets import emoji


def load(
    name: str,
    split: str = "train",
    modalities: tuple[str, ...] = ("image", "text"),
    languages: tuple[str, ...] = ("en",),
    as_supervised: bool = False,
) -> tf.data.Dataset:
    """Load a split of a data set as a `tf.data.Dataset`.

    There is one data set so far, `"emoji"`, which comes with the package: 831
    concepts (animals, food, objects, places, activities), each drawn in two
    styles at 32 x 32 pixels, named in seven languages, with English keywords;
    60 of them are also spoken by four synthetic voices.

    Its splits are one training set and five questions to it. 150 of the
    concepts are held out, the other 681 are seen:

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

    Args:
        name: Name of the data set: `"emoji"`.
        split: Name of a split, or several joined with `+`:
            `"train+test_style"`.
        modalities: Which of `"image"`, `"text"` and `"speech"` the examples
            have. There is one example for each picture and caption; without
            `"text"`, one for each picture. With `"speech"` there are only
            concepts that have recordings, and one example for each voice.
        languages: Languages of the names, out of `"en"`, `"de"`, `"es"`,
            `"fr"`, `"it"`, `"ru"` and `"zh"`. `"it"` is left out of training.
            The captions of `"test_keyword"` are English and those of
            `"test_language"` Italian, whatever is asked for here.
        as_supervised: If `True`, examples are `({modality: ...}, id)`.

    Returns:
        A `tf.data.Dataset` of known cardinality, not batched, in the order of
        the concepts. Its elements are dicts of
        `id`, int64, the number of the concept (equal ids are positives of
        each other);
        `keywords`, string `(8,)`, padded with `""` (not unseen ones: they
        hold the captions of `"test_keyword"`);
        with `"image"`: `image`, uint8 `(32, 32, 3)`, and `style`, string,
        `"noto"` or `"fluent"`;
        with `"text"`: `text` and `language`, strings;
        with `"speech"`: `speech`, float32 `(samples,)` at 8 kHz in [-1, 1],
        padded with zeros to the longest recording, `speech_length`, int64,
        its number of samples before padding, and `voice`, string.

    Raises:
        ValueError: If an argument names something that the data set has not.
        TypeError: If an argument has the wrong type.

    Example:

    ```python
    import keras_xmodal as kx

    train = kx.datasets.load("emoji", split="train")
    for example in train.take(1):
        print(example["text"].numpy().decode(), example["image"].shape)

    batches = kx.datasets.load("emoji", as_supervised=True).shuffle(681)
    for x, ids in batches.batch(64).take(1):
        print(x["image"].shape, ids.shape)
    ```
    """
    _check_name(name)
    splits = _parse_split(split)
    modalities = _check_choices("modalities", modalities, emoji.MODALITIES)
    languages = _check_choices("languages", languages, emoji.LANGUAGES)
    if "train" in splits and emoji.LEFT_OUT_LANGUAGE in languages:
        raise ValueError(
            "`languages` must not have 'it' when `split` has 'train': Italian "
            "is the language that 'test_language' leaves out of training. "
            f"Received: split={split!r}, languages={languages}"
        )
    arrays = emoji_arrays(splits, modalities, languages)
    if not len(arrays["id"]):
        raise ValueError(
            "`split`, `modalities` and `languages` must select at least one "
            f"example. Received: split={split!r}, modalities={modalities}, "
            f"languages={languages}"
        )
    if not as_supervised:
        return tf.data.Dataset.from_tensor_slices(arrays)
    inputs = {modality: arrays[modality] for modality in modalities}
    return tf.data.Dataset.from_tensor_slices((inputs, arrays["id"]))


def emoji_arrays(
    splits: tuple[str, ...],
    modalities: tuple[str, ...],
    languages: tuple[str, ...],
) -> dict[str, np.ndarray]:
    """Put the examples of "emoji" together.

    Args:
        splits: Names of splits, one after the other.
        modalities: As for `load`.
        languages: As for `load`.

    Returns:
        Dict of arrays with one row an example; the fields are those of
        `load`.
    """
    rows = [
        row
        for split in splits
        for row in emoji.rows(split, modalities, languages)
    ]
    concept = np.array([row.concept for row in rows], np.int64)
    arrays = {"id": concept, "keywords": _keywords()[concept]}
    if "image" in modalities:
        style = [emoji.STYLES.index(row.style) for row in rows]
        arrays["image"] = _images()[style, concept]
        arrays["style"] = np.array([row.style for row in rows], object)
    if "text" in modalities:
        arrays["text"] = np.array([row.text for row in rows], object)
        arrays["language"] = np.array([row.language for row in rows], object)
    if "speech" in modalities:
        waveforms, lengths = _waveforms()
        recording = np.array([row.recording for row in rows], np.int64)
        arrays["speech"] = waveforms[recording]
        arrays["speech_length"] = lengths[recording]
        voices = emoji.read_speech()["voices"].astype(object)
        arrays["voice"] = voices[recording]
    return arrays


@functools.lru_cache(maxsize=1)
def _images():
    """Cut the sheets into tiles: uint8 (styles, concepts, 32, 32, 3)."""
    count, tile = len(emoji.read_concepts()), emoji.TILE
    styles = []
    for style in emoji.STYLES:
        png = (emoji.FOLDER / f"{style}.png").read_bytes()
        sheet = tf.io.decode_png(png, channels=3).numpy()
        rows, columns = sheet.shape[0] // tile, sheet.shape[1] // tile
        tiles = sheet.reshape(rows, tile, columns, tile, 3)
        tiles = tiles.swapaxes(1, 2).reshape(-1, tile, tile, 3)
        styles.append(tiles[:count])
    return np.stack(styles)


@functools.lru_cache(maxsize=1)
def _keywords():
    """Pad the keywords of each concept: object (concepts, 8)."""
    concepts = emoji.read_concepts()
    padded = np.full((len(concepts), emoji.NUM_KEYWORDS), "", object)
    for row, concept in zip(padded, concepts, strict=True):
        row[: len(concept["keywords"])] = concept["keywords"]
    return padded


@functools.lru_cache(maxsize=1)
def _waveforms():
    """Pad all recordings: float32 (recordings, samples), and their lengths.

    The number of samples is the same in every split. Recordings of words that
    name no concept stay zero.
    """
    speech = emoji.read_speech()
    starts, lengths = speech["offsets"][:-1], np.diff(speech["offsets"])
    padded = np.zeros((len(lengths), emoji.num_samples()), np.float32)
    found = emoji.recordings_of(emoji.read_concepts(), speech["labels"])
    for recordings in found.values():
        for i in recordings:
            mulaw = speech["mulaw"][starts[i] : starts[i] + lengths[i]]
            padded[i, : lengths[i]] = emoji.expand_mulaw(mulaw)
    return padded, lengths


def _check_name(name):
    if name != "emoji":
        raise ValueError(
            "`name` must be the name of a data set: 'emoji'. "
            f"Received: name={name!r}"
        )


def _parse_split(split):
    if not isinstance(split, str):
        raise TypeError(
            "`split` must be a string, such as 'train' or 'train+test_style'. "
            f"Received: split={split!r} of type {type(split).__name__}"
        )
    parts = tuple(part.strip() for part in split.split("+"))
    unknown = [part for part in parts if part not in emoji.SPLITS]
    if unknown or len(set(parts)) < len(parts):
        raise ValueError(
            "`split` must be one or several different ones of "
            f"{tuple(emoji.SPLITS)}, joined with '+'. Received: split={split!r}"
        )
    return parts


def _check_choices(argument, values, choices):
    if isinstance(values, str) or not isinstance(values, (tuple, list)):
        raise TypeError(
            f"`{argument}` must be a tuple or list of strings. Received: "
            f"{argument}={values!r} of type {type(values).__name__}"
        )
    known = all(value in choices for value in values)
    if not values or not known or len(set(values)) < len(values):
        raise ValueError(
            f"`{argument}` must be one or several different ones of {choices}. "
            f"Received: {argument}={values!r}"
        )
    return tuple(values)
