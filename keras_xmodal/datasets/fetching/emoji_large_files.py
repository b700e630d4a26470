"""Make the files of "emoji_large" of packages of npm.

They are `emoji.npz`, for each style `<style>_images`, uint8 (pictures, 64, 64,
3) over white, and `<style>_concepts`, int64 (pictures,), the concept of each;
and `concepts.json`, for each concept its hex code, name, keywords, group, names
in other languages (i18n) and split: "seen", "unseen" or null.

Split are the concepts that all styles draw and that are no flags (those look
nearly the same in every style).

Pictures: Google (Noto) Apache-2.0; Twitter (Twemoji) CC-BY-4.0; Fluent 3D MIT.
Names: emojibase MIT; Unicode CLDR Unicode-3.0.
"""

import collections
import hashlib
import io
import json
import pathlib
from collections.abc import Collection

import numpy as np
from PIL import Image

from keras_xmodal.datasets.fetching.npm_package import NpmPackage

FOLDER = "emoji_large"
SHA256 = None  # Other versions of Pillow may write other bytes.
LANGUAGES = (
    *("de", "es", "fr", "hi", "it", "ja"),
    *("ko", "pl", "pt", "ru", "uk", "zh"),
)
GOOGLE = NpmPackage(
    "emoji-datasource-google",
    "16.0.0",
    "sha512-ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ"
    "+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A==",
    ("emoji.json", "img/google/64"),
)
TWITTER = NpmPackage(
    "emoji-datasource-twitter",
    "16.0.0",
    "sha512-7F+uCuHH+7Qnrc15P5tnbvKkg9E6tlzi4MnT2uW1RlN4pLYTza6cP/ds"
    "tIfSDMtpjFLWuZewWg8jBbuL2eyELQ==",
    ("img/twitter/64",),
)
FLUENT_3D = NpmPackage(
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    "sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKo"
    "ehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
    ("assets",),
)
EMOJIBASE = NpmPackage(
    "emojibase-data",
    "17.0.0",
    "sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g88"
    "2LTpmEpyhBNEC0m2SEmItljHsTygjA==",
    tuple(f"{language}/data.json" for language in ("en", *LANGUAGES)),
)
CLDR = NpmPackage(
    "cldr-annotations-full",
    "48.2.0",
    "sha512-DV7A+rEcgUSNTRsVGNGqBZRmAkGfwhGHO5Q1dRwzBoBnVrHWp804JP7/"
    "QJdEc66iHmx3+zLWVIMCFLm0lW7PUQ==",
    tuple(
        f"annotations/{language}/annotations.json"
        for language in ("en", *LANGUAGES)
    ),
)
PACKAGES = (GOOGLE, TWITTER, FLUENT_3D, EMOJIBASE, CLDR)
STYLES = {
    "google": (GOOGLE, "img/google/64"),
    "twitter": (TWITTER, "img/twitter/64"),
    "fluent3d": (FLUENT_3D, "assets"),
}
SKIN_TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
NUM_UNSEEN = 300
SIZE = 64  # pixels
EXPECTED = {
    "concepts": 1906,
    "google": 1906,
    "twitter": 1906,
    "fluent3d": 1852,
    "complete": 1852,
    "seen": 1299,
    "unseen": 300,
}


def prepare(packages: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """Make `emoji.npz` and `concepts.json`."""
    concepts = read_concepts(packages, LANGUAGES)
    index = {concept["hex"]: i for i, concept in enumerate(concepts)}
    arrays, counts, complete = {}, {"concepts": len(concepts)}, set(index)
    for style, (package, source) in STYLES.items():
        files = packages[package.name]
        drawn = read_pictures(files, source, SIZE, index.keys())
        keys = sorted(drawn, key=lambda hexcode: index[hexcode])
        arrays[f"{style}_images"] = np.stack([drawn[key] for key in keys])
        arrays[f"{style}_concepts"] = np.array([index[key] for key in keys])
        counts[style] = len(keys)
        complete &= drawn.keys()
    splits = draw_splits(concepts, complete)
    for concept in concepts:
        concept["split"] = splits.get(concept["hex"])
    counts["complete"] = len(complete)
    counts.update(collections.Counter(splits.values()))
    if counts != EXPECTED:
        raise ValueError(f"{counts}, and expected {EXPECTED}")
    pictures = io.BytesIO()
    np.savez_compressed(pictures, **arrays)  # type: ignore
    text = json.dumps(concepts, ensure_ascii=False, indent=1) + "\n"
    return {"emoji.npz": pictures.getvalue(), "concepts.json": text.encode()}


def code_points(hexcode: str) -> str:
    """Normalise a hex code: upper case, without the variation selector."""
    parts = hexcode.upper().split("-")
    return "-".join(part for part in parts if part != "FE0F")


def read_annotations(
    packages: dict[str, dict[str, bytes]], languages: tuple[str, ...]
) -> dict[str, dict[str, tuple[str, list[str]]]]:
    """Read names and keywords of every emoji."""
    annotations = {}
    for language in languages:
        text = packages[EMOJIBASE.name][f"{language}/data.json"]
        emojibase = json.loads(text)
        path = f"annotations/{language}/annotations.json"
        text = packages[CLDR.name][path]
        cldr = json.loads(text)["annotations"]["annotations"]
        names, keywords = {}, collections.defaultdict(dict)
        for character, entry in cldr.items():
            key = code_points("-".join(f"{ord(c):X}" for c in character))
            if "tts" in entry:
                names[key] = entry["tts"][0]
        for entry in emojibase:
            key = code_points(entry["hexcode"])
            names[key] = entry["label"]
            keywords[key].update(dict.fromkeys(entry.get("tags", ())))
        for character, entry in cldr.items():
            key = code_points("-".join(f"{ord(c):X}" for c in character))
            keywords[key].update(dict.fromkeys(entry.get("default", ())))
        annotations[language] = {
            key: (name, list(keywords[key])) for key, name in names.items()
        }
    return annotations


def read_concepts(
    packages: dict[str, dict[str, bytes]], languages: tuple[str, ...]
) -> list[dict]:
    """Read the concepts: every emoji but skin tones and other components."""
    annotations = read_annotations(packages, ("en", *languages))
    concepts = []
    for entry in json.loads(packages[GOOGLE.name]["emoji.json"]):
        key = code_points(entry["unified"])
        if entry["category"] == "Component" or SKIN_TONES & set(key.split("-")):
            continue
        name, keywords = annotations["en"].get(key, (entry["name"].lower(), []))
        names = {
            language: annotations[language][key][0]
            for language in languages
            if key in annotations[language]
        }
        concepts.append(
            {
                "hex": key,
                "name": name,
                "keywords": keywords,
                "group": entry["category"],
                "i18n": names,
            }
        )
    return concepts


def over_white(picture: Image.Image, size: int) -> np.ndarray:
    """Lay a picture over a white square: uint8 (size, size, 3)."""
    picture = picture.convert("RGBA")
    side = max(picture.size)
    square = Image.new("RGBA", (side, side), "white")
    corner = ((side - picture.width) // 2, (side - picture.height) // 2)
    square.alpha_composite(picture, corner)
    square = square.convert("RGB")
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def read_pictures(
    files: dict[str, bytes], folder: str, size: int, keep: Collection[str]
) -> dict[str, np.ndarray]:
    """Read the pictures of a style."""
    pictures = {}
    for path in sorted(map(pathlib.PurePosixPath, files)):
        key = code_points(path.stem)
        if str(path.parent) == folder and key in keep and key not in pictures:
            with Image.open(io.BytesIO(files[str(path)])) as picture:
                pictures[key] = over_white(picture, size)
    return pictures


def draw_splits(concepts: list[dict], complete: set[str]) -> dict[str, str]:
    """Draw the seen and unseen concepts."""
    of_name = {}
    for concept in concepts:
        if concept["hex"] in complete and concept["group"] != "Flags":
            of_name.setdefault(concept["name"].casefold(), concept["hex"])
    order = sorted(
        of_name.values(), key=lambda key: hashlib.sha256(key.encode()).digest()
    )
    return {
        key: "unseen" if rank < NUM_UNSEEN else "seen"
        for rank, key in enumerate(order)
    }
