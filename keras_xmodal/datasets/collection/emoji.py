"""The bundled sample "emoji".

The sample is 831 concepts in a fixed order, each drawn in two styles. A row
says which concept, style, caption and recording an example is made of.
"""

import functools
import hashlib
import json
import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_xmodal import checks

FOLDER = pathlib.Path(__file__).parents[1] / "data" / "emoji"
STYLES = ("noto", "fluent")
LANGUAGES = ("en", "de", "es", "fr", "it", "ru", "zh")
LEFT_OUT_LANGUAGE = "it"
MODALITIES = ("image", "text", "speech")
DEFAULT_MODALITIES = ("image", "text")
OPTIONS = ("languages",)
NUM_HELD_OUT = 150
NUM_KEYWORDS = 8
TILE = 32  # pixels
SAMPLE_RATE = 8000  # Hz


class Split(NamedTuple):
    """The question that a split asks: which pictures, which captions."""

    style: str
    held_out: bool
    captions: str


SPLITS = {
    "train": Split("noto", False, "names"),
    "test_keyword": Split("noto", False, "keywords"),
    "test_language": Split("noto", False, "left_out_language"),
    "test_style": Split("fluent", False, "names"),
    "test_concept": Split("noto", True, "names"),
    "test_style_concept": Split("fluent", True, "names"),
}


class Row(NamedTuple):
    """One example: indices into the sample's arrays, and its caption."""

    concept: int
    style: str
    language: str
    text: str
    recording: int  # -1: no recording asked for


@functools.lru_cache(maxsize=1)
def read_concepts() -> tuple:
    """Read the concepts of the sample."""
    text = (FOLDER / "concepts.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))


@functools.lru_cache(maxsize=1)
def read_speech() -> dict:
    """Read the recordings of the sample."""
    with np.load(FOLDER / "speech.npz") as arrays:
        return dict(arrays)


def expand_mulaw(mulaw: np.ndarray) -> np.ndarray:
    """Expand mu-law samples to a linear waveform."""
    magnitude = np.abs(mulaw.astype(np.float32)) / 127
    expanded = np.expm1(magnitude * np.log(np.float32(256))) / 255
    # Rounding may leave full scale a hair above 1.
    return np.clip(np.copysign(expanded, mulaw), -1, 1).astype(np.float32)


def held_out_concepts(
    hexcodes: list[str], count: int = NUM_HELD_OUT
) -> frozenset[int]:
    """Draw the concepts that training never sees.

    The draw depends on the code points alone, so it is the same on every
    machine and does not move when the order of the concepts does.
    """
    order = sorted(
        range(len(hexcodes)),
        key=lambda i: hashlib.sha256(hexcodes[i].encode()).hexdigest(),
    )
    return frozenset(order[:count])


def unseen_keywords(concepts: tuple) -> list[tuple[str, ...]]:
    """Find the keywords that point at one concept and are nobody's name.

    Case is ignored: a model that lower-cases its text has seen "DVD" when it
    has seen "dvd". Names are those of every language.
    """
    owners = {}
    for index, concept in enumerate(concepts):
        for keyword in concept["keywords"]:
            owners.setdefault(keyword.casefold(), set()).add(index)
    names = {
        name_of(concept, language).casefold()
        for concept in concepts
        for language in LANGUAGES
    }
    found = []
    for concept in concepts:
        unique = {}  # case-folded to the first spelling
        for keyword in concept["keywords"]:
            folded = keyword.casefold()
            if len(owners[folded]) == 1 and folded not in names:
                unique.setdefault(folded, keyword)
        found.append(tuple(unique.values()))
    return found


def unseen_names(
    concepts: tuple, language: str = LEFT_OUT_LANGUAGE
) -> list[tuple[str, ...]]:
    """Find the names in one language that no other language has.

    "taco" is Italian and English; it says nothing about a language that
    training has left out.
    """
    others = {
        name_of(concept, other).casefold()
        for concept in concepts
        for other in LANGUAGES
        if other != language
    }
    names = [name_of(concept, language) for concept in concepts]
    return [() if name.casefold() in others else (name,) for name in names]


def name_of(concept: dict, language: str) -> str:
    """Return the name of a concept in a language of `LANGUAGES`."""
    return concept["name"] if language == "en" else concept["i18n"][language]


def recordings_of(concepts: tuple, labels: np.ndarray) -> dict[int, list[int]]:
    """Match recordings to concepts by name."""
    concept_of = {c["name"]: index for index, c in enumerate(concepts)}
    found = {}
    for recording, label in enumerate(labels):
        if label in concept_of:
            found.setdefault(concept_of[label], []).append(recording)
    return found


@functools.lru_cache(maxsize=1)
def num_samples() -> int:
    """Return the length of the longest recording of a concept."""
    speech = read_speech()
    found = recordings_of(read_concepts(), speech["labels"])
    lengths = np.diff(speech["offsets"])
    return int(max(lengths[recordings].max() for recordings in found.values()))


@functools.lru_cache(maxsize=32)
def rows(
    split: str, modalities: tuple[str, ...], languages: tuple[str, ...]
) -> tuple[Row, ...]:
    """List the examples of one split, in the order of the concepts."""
    concepts = read_concepts()
    spec = SPLITS[split]
    held_out = held_out_concepts([concept["hex"] for concept in concepts])
    captions = _captions(concepts, spec.captions, languages)
    recordings = None
    if "speech" in modalities:
        recordings = recordings_of(concepts, read_speech()["labels"])
    found = []
    for index, its_captions in enumerate(captions):
        if (index in held_out) != spec.held_out:
            continue
        if "text" not in modalities:
            its_captions = its_captions[:1]
        voices = (-1,) if recordings is None else recordings.get(index, [])
        found.extend(
            Row(index, spec.style, language, text, voice)
            for language, text in its_captions
            for voice in voices
        )
    return tuple(found)


def examples(
    split: str,
    modalities: tuple[str, ...],
    languages: tuple[str, ...] = ("en",),
) -> tf.data.Dataset:
    """Put the examples of a split together; see `load` for what they hold."""
    languages = checks.some_of("languages", languages, LANGUAGES)
    if split == "train" and LEFT_OUT_LANGUAGE in languages:
        raise ValueError(
            "`languages` must not have 'it' when `split` has 'train': Italian "
            "is the language that 'test_language' leaves out of training. "
            f"Received: languages={languages}"
        )
    selected = rows(split, modalities, languages)
    concept = np.array([row.concept for row in selected], np.int64)
    arrays = {"id": concept, "keywords": _keywords()[concept]}
    if "image" in modalities:
        style = STYLES.index(SPLITS[split].style)
        arrays["image"] = images()[style, concept]
        arrays["style"] = np.full(len(concept), STYLES[style], object)
    if "text" in modalities:
        arrays["text"] = np.array([row.text for row in selected], object)
        arrays["language"] = np.array(
            [row.language for row in selected], object
        )
    if "speech" in modalities:
        waveforms, lengths = _waveforms()
        recording = np.array([row.recording for row in selected], np.int64)
        arrays["speech"] = waveforms[recording]
        arrays["speech_length"] = lengths[recording]
        voices = read_speech()["voices"].astype(object)
        arrays["voice"] = voices[recording]
    return tf.data.Dataset.from_tensor_slices(arrays)


def _captions(concepts, kind, languages):
    """Return for each concept its list of `(language, text)`."""
    if kind == "keywords":
        return [
            [("en", keyword) for keyword in keywords]
            for keywords in unseen_keywords(concepts)
        ]
    if kind == "left_out_language":
        return [
            [(LEFT_OUT_LANGUAGE, name) for name in names]
            for names in unseen_names(concepts)
        ]
    return [
        [(language, name_of(concept, language)) for language in languages]
        for concept in concepts
    ]


@functools.lru_cache(maxsize=1)
def images():
    """Cut the sheets into tiles: uint8 (styles, concepts, 32, 32, 3)."""
    count, tile = len(read_concepts()), TILE
    styles = []
    for style in STYLES:
        png = (FOLDER / f"{style}.png").read_bytes()
        sheet = tf.io.decode_png(png, channels=3).numpy()
        rows, columns = sheet.shape[0] // tile, sheet.shape[1] // tile
        tiles = sheet.reshape(rows, tile, columns, tile, 3)
        tiles = tiles.swapaxes(1, 2).reshape(-1, tile, tile, 3)
        styles.append(tiles[:count])
    return np.stack(styles)


@functools.lru_cache(maxsize=1)
def _keywords():
    """Pad the keywords of each concept: object (concepts, 8)."""
    concepts = read_concepts()
    padded = np.full((len(concepts), NUM_KEYWORDS), "", object)
    for row, concept in zip(padded, concepts, strict=True):
        row[: len(concept["keywords"])] = concept["keywords"]
    return padded


@functools.lru_cache(maxsize=1)
def _waveforms():
    """Pad all recordings: float32 (recordings, samples), and their lengths.

    The number of samples is the same in every split. Recordings of words that
    name no concept stay zero.
    """
    speech = read_speech()
    starts, lengths = speech["offsets"][:-1], np.diff(speech["offsets"])
    padded = np.zeros((len(lengths), num_samples()), np.float32)
    found = recordings_of(read_concepts(), speech["labels"])
    for recordings in found.values():
        for i in recordings:
            mulaw = speech["mulaw"][starts[i] : starts[i] + lengths[i]]
            padded[i, : lengths[i]] = expand_mulaw(mulaw)
    return padded, lengths
