"""What an export says of itself."""

import hashlib
import json
import os
import pathlib
from typing import Any

from keras_xmodal import checks
from keras_xmodal.export import model_card
from keras_xmodal.reports import Report

REPORT, CARD = "report.json", "README.md"
_REQUIRED = (
    "format",
    "model",
    "modalities",
    "keras_xmodal",
    "num_cpus",
    "bytes",
    "endpoints",
)
_FORMATS = ("saved_model", "litert", "onnx", "web")
_MODELS = (".pb", ".tflite", ".onnx")
_CHANGEABLE = (".css", ".html")
_EXTRA = "assets.extra"  # of a SavedModel, which servers ignore


class ExportReport(Report):
    """The report of an export: a dict, as it is written to `report.json`.

    `print` and notebooks show it as tables.

    Args:
        content: Dict of what JSON holds, as the functions of `kx.export`
            describe it.

    Raises:
        TypeError: If `content` is no dict.
        ValueError: If it lacks what each report has.

    Example:
        ```python
        import tempfile
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/vectors/1"
        report = kx.export.saved_model(model, path)
        print(report["endpoints"]["embed_image"]["latency_ms"])
        print(report.model_card())
        ```
    """

    def __init__(self, content: dict[str, Any]):
        checks.instance_of("content", content, dict, "a dict")
        missing = [key for key in _REQUIRED if key not in content]
        if missing:
            raise ValueError(
                "`content` must be the report of an export. "
                f"Received: a dict without {missing}"
            )
        super().__init__(content)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "ExportReport":
        """Read the report of what was exported.

        Args:
            path: Path that an export was written to.

        Returns:
            Its report.

        Raises:
            ValueError: If there is none, or it cannot be read.
        """
        folder = checks.path("path", path)
        report = _read(folder)
        if report is not None:
            return report
        below = [str(place.relative_to(folder)) for place in _below(folder)]
        raise ValueError(
            "`path` must be what a function of `kx.export` has written, with "
            f"its report. Received: path={str(folder)!r}, where no "
            f"{REPORT} can be read"
            + (f"; there are exports in {below} of it" if below else "")
        )

    def model_card(self) -> str:
        """A model card for the Hugging Face Hub.

        It is the `README.md` beside the files of an export; of a SavedModel,
        and in the folder of a server, it is in `assets.extra`.

        Returns:
            Markdown, with metadata in YAML at its beginning.
        """
        return model_card.model_card(self)


def find_exports(path):
    """Exports in a folder: itself, or else all that lie below it."""
    folder = checks.path("path", path)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`path` must be a folder. Received: path={str(folder)!r}"
        )
    if _read(folder) is not None:
        return [folder]
    return _below(folder) or [folder]


def _read(folder):
    """The report of an export, or None."""
    for file in (folder / REPORT, folder / _EXTRA / REPORT):
        try:
            content = json.loads(file.read_text("utf-8"))
            # Those of before say less.
            said = [fact["inputs"] for fact in content["endpoints"].values()]
            if said and content["sha256"] and content["format"] in _FORMATS:
                return ExportReport(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None


def _below(folder):
    """Exports below a folder, sorted, with those whose report is lost."""
    found = []
    for file in sorted(folder.rglob("*"), key=lambda file: len(file.parts)):
        if file.name != REPORT and file.suffix not in _MODELS:
            continue
        place = file.parent
        if place.name == _EXTRA:
            place = place.parent
        if not any(place.is_relative_to(other) for other in found):
            found.append(place)
    return sorted(found)


def check_files(folder, report):
    """Check that an export has all its files, as they were written.

    The page of a browser may look otherwise than it did.
    """
    missing, other = [], []
    for name, digest in report["sha256"].items():
        file = folder / name
        if not file.is_file():
            missing.append(name)
        elif file.suffix not in _CHANGEABLE and _digest(file) != digest:
            other.append(name)
    if missing or other:
        raise ValueError(
            "`path` must hold all files of an export, as they were written. "
            f"Received: path={str(folder)!r}, without {missing}, with others "
            f"in place of {other}"
        )


def _digest(file):
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while part := content.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def write_report(content, folder, extra=False):
    """Write a report, and the card that it makes, into a folder.

    With `extra`, they go where servers of a SavedModel do not look.
    """
    folder = pathlib.Path(folder)
    digests = {
        file.relative_to(folder).as_posix(): _digest(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in (REPORT, CARD)
    }
    content = {**content, "sha256": digests}
    if extra:
        folder = folder / _EXTRA
        folder.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    report = ExportReport(json.loads(text))
    (folder / REPORT).write_text(text + "\n", "utf-8")
    (folder / CARD).write_text(report.model_card(), "utf-8")
    return report
