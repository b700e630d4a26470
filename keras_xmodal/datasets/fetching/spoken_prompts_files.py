"""Make the files of "spoken_prompts" of packages of Debian.

They are the recordings, `<language>/<prompt>.wav`, and `prompts.json`, for each
its `path`, `id`, `text`, `language`, `samples` and `split`.

Recordings and transcripts: Allison Smith, June Wallack, Digium and others,
CC-BY-SA-3.0.
"""

import collections
import hashlib
import io
import json
import re
import wave

from keras_xmodal.datasets.fetching.commands import gunzip
from keras_xmodal.datasets.fetching.debian_package import DebianPackage

FOLDER = "spoken_prompts"
SHA256 = None  # of more files than a program should list
SOUNDS = {
    "en": "usr/share/asterisk/sounds/en_US_f_Allison",
    "es": "usr/share/asterisk/sounds/es_MX_f_Allison",
    "fr": "usr/share/asterisk/sounds/fr_CA_f_June",
}
TRANSCRIPTS = {
    language: (
        f"usr/share/doc/asterisk-core-sounds-{language}/"
        f"core-sounds-{language}.txt.gz"
    )
    for language in SOUNDS
}
PACKAGES = (
    *(
        DebianPackage(f"asterisk-core-sounds-{language}-wav", (path,))
        for language, path in SOUNDS.items()
    ),
    *(
        DebianPackage(f"asterisk-core-sounds-{language}", (path,))
        for language, path in TRANSCRIPTS.items()
    ),
)
SAMPLING_RATE = 8000  # Hz
NUM_TEST = 100  # of each language
EXPECTED = {"en": 551, "es": 477, "fr": 509}
DIGEST = "5ed6631a1df9912b299f853d2267f8f7c2cbda11571481b9233c751b8bc422cc"


def prepare(packages: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """Take the recordings that have a transcript, and make `prompts.json`."""
    prompts, files, digest = [], {}, hashlib.sha256()
    for language, sounds in SOUNDS.items():
        package = f"asterisk-core-sounds-{language}"
        text = gunzip(packages[package][TRANSCRIPTS[language]])
        transcripts = read_transcripts(text.decode())
        for path, content in sorted(packages[f"{package}-wav"].items()):
            name = path.removeprefix(f"{sounds}/").removesuffix(".wav")
            if not words(transcripts.get(name, "")):
                continue
            path = f"{language}/{name}.wav"
            files[path] = content
            digest.update(content)
            prompts.append(
                {
                    "path": path,
                    "text": transcripts[name],
                    "language": language,
                    "samples": num_samples(content),
                }
            )
    add_ids_and_splits(prompts)
    counts = collections.Counter(prompt["language"] for prompt in prompts)
    if counts != EXPECTED:
        raise ValueError(f"{dict(counts)} recordings, and expected {EXPECTED}")
    text = json.dumps(prompts, ensure_ascii=False, indent=1) + "\n"
    digest.update(text.encode())
    if digest.hexdigest() != DIGEST:
        raise ValueError(
            f"recordings and prompts with the SHA-256 {digest.hexdigest()}, "
            f"and expected {DIGEST}"
        )
    return {**files, "prompts.json": text.encode()}


def read_transcripts(text: str) -> dict[str, str]:
    """Read a list of transcripts."""
    transcripts = {}
    for line in text.splitlines():
        prompt, _, spoken = line.partition(":")
        if not line.startswith(";"):
            spoken = re.sub(r"[\[(<][^\])>]*[\])>]$", "", spoken.strip())
            transcripts.setdefault(prompt, " ".join(spoken.split()))
    return transcripts


def words(text: str) -> str:
    """Reduce a transcript to its words, in lower case.

    Transcripts are equal where their words are: `"Goodbye!"` is `"goodbye"`.
    """
    return " ".join(re.findall(r"\w+", text.casefold()))


def num_samples(content: bytes) -> int:
    """Return the number of samples of a WAV file."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            found = file.getframerate(), file.getnchannels()
            count = file.getnframes()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"a recording that is no WAV file: {error}") from error
    if found != (SAMPLING_RATE, 1):
        raise ValueError("a recording at {} Hz of {} channels".format(*found))
    return count


def add_ids_and_splits(prompts: list[dict]) -> None:
    """Add to each prompt the number of its transcript, and its split.

    The test set has transcripts that occur once in all languages together: of
    each language the 100 with the smallest SHA-256.
    """
    keys = [words(prompt["text"]) for prompt in prompts]
    occurrences = collections.Counter(keys)
    number_of = {key: number for number, key in enumerate(occurrences)}
    single = collections.defaultdict(list)  # language: its keys
    for key, prompt in zip(keys, prompts, strict=True):
        prompt["id"] = number_of[key]
        if occurrences[key] == 1:
            single[prompt["language"]].append(key)
    test = set()
    for candidates in single.values():
        candidates.sort(key=lambda key: hashlib.sha256(key.encode()).digest())
        test.update(candidates[:NUM_TEST])
    for key, prompt in zip(keys, prompts, strict=True):
        prompt["split"] = "test" if key in test else "train"
