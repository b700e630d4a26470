"""Fetch the larger emoji sets for the benchmarks, by package name from npm.

    python benchmarks/fetch_emoji.py --cache ~/.cache/keras_xmodal

leaves in the cache folder the packages, as `npm pack` gives them, and
`emoji_large/` with

- `emoji.npz`: for each style `<style>_images`, uint8 (pictures, 64, 64, 3)
  over white, and `<style>_concepts`, int64 (pictures,), the concept of each;
- `concepts.json`: for each concept its hex code, name, keywords, group,
  names in other languages (i18n) and split: "seen", "unseen" or null.

The question is asked of the concepts that all styles draw and that are no
flags (those look nearly the same in every style): train on the Google and
Twitter pictures of the "seen" ones; test on the Fluent 3D pictures of them (a
new style), on the Google and Twitter pictures of the "unseen" ones, and on the
Fluent 3D pictures of these (both).

Pictures: Google (Noto) Apache-2.0; Twitter (Twemoji) CC-BY-4.0; Fluent 3D MIT.
Names: emojibase MIT; Unicode CLDR Unicode-3.0. Needs npm and Pillow.
"""

import argparse
import collections
import hashlib
import io
import json
import pathlib

import numpy as np
from fetching import members, npm_pack, written_beside
from PIL import Image

# Package: the integrity that the registry states for it.
PACKAGES = {
    "emoji-datasource-google@16.0.0": (
        "sha512-ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ"
        "+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A=="
    ),
    "emoji-datasource-twitter@16.0.0": (
        "sha512-7F+uCuHH+7Qnrc15P5tnbvKkg9E6tlzi4MnT2uW1RlN4pLYTza6cP/ds"
        "tIfSDMtpjFLWuZewWg8jBbuL2eyELQ=="
    ),
    "@lobehub/fluent-emoji-3d@1.1.0": (
        "sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKo"
        "ehDHXuVJ2Qaecgl5wRBv60lUAG3h7g=="
    ),
    "emojibase-data@17.0.0": (
        "sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g88"
        "2LTpmEpyhBNEC0m2SEmItljHsTygjA=="
    ),
    "cldr-annotations-full@48.2.0": (
        "sha512-DV7A+rEcgUSNTRsVGNGqBZRmAkGfwhGHO5Q1dRwzBoBnVrHWp804JP7/"
        "QJdEc66iHmx3+zLWVIMCFLm0lW7PUQ=="
    ),
    "@iconify-json/fluent-emoji-flat@1.2.6": (  # the bundled sample's
        "sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDE"
        "RGuxDs/7yNGWqQYvuaSYM1M4fRXlUw=="
    ),
}
GOOGLE, TWITTER, FLUENT_3D, EMOJIBASE, CLDR, FLUENT_FLAT = PACKAGES
LANGUAGES = (
    *("de", "es", "fr", "hi", "it", "ja"),
    *("ko", "pl", "pt", "ru", "uk", "zh"),
)
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


def pack(package, cache):
    """Fetch one of `PACKAGES`, unless the cache folder has it."""
    return npm_pack(package, PACKAGES[package], cache)


def code_points(hexcode):
    """Normalise a hex code: upper case, without the variation selector."""
    parts = hexcode.upper().split("-")
    return "-".join(part for part in parts if part != "FE0F")


def read_annotations(cache, languages):
    """Read names and keywords of every emoji.

    Args:
        cache: Folder of the tarballs.
        languages: Languages to read.

    Returns:
        Dict from language to a dict from hex code to `(name, keywords)`; the
        keywords are those of emojibase, then those that only CLDR has.
    """
    paths = {f"{language}/data.json": language for language in languages}
    files = members(pack(EMOJIBASE, cache), paths.__contains__)
    emojibase = {paths[path]: json.loads(text) for path, text in files.items()}
    paths = {
        f"annotations/{language}/annotations.json": language
        for language in languages
    }
    files = members(pack(CLDR, cache), paths.__contains__)
    cldr = {
        paths[path]: json.loads(text)["annotations"]["annotations"]
        for path, text in files.items()
    }
    annotations = {}
    for language in languages:
        names, keywords = {}, collections.defaultdict(dict)
        for character, entry in cldr[language].items():
            key = code_points("-".join(f"{ord(c):X}" for c in character))
            if "tts" in entry:
                names[key] = entry["tts"][0]
        for entry in emojibase[language]:
            key = code_points(entry["hexcode"])
            names[key] = entry["label"]
            keywords[key].update(dict.fromkeys(entry.get("tags", ())))
        for character, entry in cldr[language].items():
            key = code_points("-".join(f"{ord(c):X}" for c in character))
            keywords[key].update(dict.fromkeys(entry.get("default", ())))
        annotations[language] = {
            key: (name, list(keywords[key])) for key, name in names.items()
        }
    return annotations


def read_concepts(cache, languages):
    """Read the concepts: every emoji but skin tones and other components.

    Args:
        cache: Folder of the tarballs.
        languages: Languages to name them in, besides English.

    Returns:
        List of dicts with `hex`, `name`, `keywords`, `group` and `i18n`, in
        the order of emoji-datasource.
    """
    files = members(pack(GOOGLE, cache), lambda path: path == "emoji.json")
    annotations = read_annotations(cache, ("en", *languages))
    concepts = []
    for entry in json.loads(files["emoji.json"]):
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


def over_white(picture, size):
    """Lay a picture over a white square: uint8 (size, size, 3)."""
    picture = picture.convert("RGBA")
    side = max(picture.size)
    square = Image.new("RGBA", (side, side), "white")
    corner = ((side - picture.width) // 2, (side - picture.height) // 2)
    square.alpha_composite(picture, corner)
    square = square.convert("RGB")
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def read_pictures(tarball, folder, size, keep):
    """Read the pictures of a style.

    Args:
        tarball: Path of the package.
        folder: The folder of the pictures within it; they are named by hex
            code.
        size: Pixels to resize them to.
        keep: Set of hex codes.

    Returns:
        Dict from hex code to uint8 (size, size, 3). Where two files differ in
        variation selectors only, the first by name counts.
    """

    def wanted(path):
        parent, _, name = path.rpartition("/")
        return parent == folder and code_points(name.split(".")[0]) in keep

    pictures = {}
    for path, content in sorted(members(tarball, wanted).items()):
        key = code_points(pathlib.PurePosixPath(path).stem)
        if key not in pictures:
            with Image.open(io.BytesIO(content)) as picture:
                pictures[key] = over_white(picture, size)
    return pictures


def draw_splits(concepts, complete):
    """Draw the seen and unseen concepts.

    Args:
        concepts: As returned by `read_concepts`.
        complete: Hex codes that every style draws.

    Returns:
        Dict from hex code to `"seen"` or `"unseen"`: of the complete concepts
        without flags, and of those of one name the first, the 300 with the
        smallest SHA-256 of their hex code are unseen.
    """
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


def prepare(cache, folder):
    """Prepare `emoji.npz` and `concepts.json` in a folder.

    Args:
        cache: Folder of the tarballs.
        folder: Folder to write to.

    Returns:
        Dict of counts.
    """
    concepts = read_concepts(cache, LANGUAGES)
    index = {concept["hex"]: i for i, concept in enumerate(concepts)}
    sources = {
        "google": (GOOGLE, f"img/google/{SIZE}"),
        "twitter": (TWITTER, f"img/twitter/{SIZE}"),
        "fluent3d": (FLUENT_3D, "assets"),
    }
    arrays, counts, complete = {}, {"concepts": len(concepts)}, set(index)
    for style, (package, source) in sources.items():
        tarball = pack(package, cache)
        pictures = read_pictures(tarball, source, SIZE, index.keys())
        keys = sorted(pictures, key=index.get)
        arrays[f"{style}_images"] = np.stack([pictures[key] for key in keys])
        arrays[f"{style}_concepts"] = np.array([index[key] for key in keys])
        counts[style] = len(keys)
        complete &= pictures.keys()
    splits = draw_splits(concepts, complete)
    for concept in concepts:
        concept["split"] = splits.get(concept["hex"])
    counts["complete"] = len(complete)
    counts.update(collections.Counter(splits.values()))
    if counts != EXPECTED:
        raise SystemExit(f"counts must be {EXPECTED}. Received: {counts}")
    np.savez_compressed(folder / "emoji.npz", **arrays)
    text = json.dumps(concepts, ensure_ascii=False, indent=1)
    (folder / "concepts.json").write_text(text + "\n", encoding="utf-8")
    return counts


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Fetch and prepare the larger emoji sets.",
        epilog="Fetching goes on where it stopped; what is there is verified.",
    )
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path("~/.cache/keras_xmodal"),
        help="folder for the packages and the result (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        help="folder of the result (default: emoji_large in the cache)",
    )
    parser.add_argument(
        "--force", action="store_true", help="prepare it again if it is there"
    )
    arguments = parser.parse_args()
    cache = arguments.cache.expanduser()
    output = arguments.output or cache / "emoji_large"
    output = output.expanduser().absolute()
    # emoji.npz is the last file to move there.
    if (output / "emoji.npz").exists() and not arguments.force:
        print(json.dumps({"output": str(output), "prepared": "already"}))
        return
    with written_beside(output) as folder:
        counts = prepare(cache, folder)
    print(json.dumps({"output": str(output), **counts}))


if __name__ == "__main__":
    main()
