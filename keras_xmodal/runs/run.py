"""A folder with a model, an index and what its rows show, to search in."""

import functools
import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_xmodal import checks, files
from keras_xmodal.models.rows import apply_to_rows
from keras_xmodal.retrieval import ExactIndex
from keras_xmodal.retrieval.queries import unit_embeddings
from keras_xmodal.retrieval.storage import INDEX, MODEL
from keras_xmodal.runs import items as items_lib
from keras_xmodal.runs import raw
from keras_xmodal.runs.items import ITEMS, THUMBNAILS

REPORT, GENERATOR = "report.json", "generator.keras"
FORMAT = 1
NAMES = (INDEX, MODEL, ITEMS, REPORT, THUMBNAILS)
_DAMAGED = (
    *(ValueError, TypeError, KeyError, OSError, EOFError, IndexError),
    *(AttributeError, NotImplementedError, zipfile.BadZipFile, zlib.error),
)


class Run:
    """A trained model with the items that it finds, read from a run folder.

    `keras-xmodal train` and `demo` write such folders, and
    `kx.runs.write_run` does from Python; the other commands read them. What
    `ExactIndex.save` wrote can be read too; then its hits have ids alone.

    Its attributes are these, `model`, that of the index, and `generator`, a
    `kx.GANModel` or `kx.VAEModel` of the same modalities, or None.

    Args:
        path: `pathlib.Path` of the folder.
        index: `kx.retrieval.ExactIndex` of the items, with its model.
        items: Dict `{modality: {id: dict}}`: what each row shows, its `"file"`,
            `"text"` or `"numbers"`, its `"item"`, and in `"captions"` the texts
            of that.
        report: Dict: what it was trained on, and how good it is.
        kinds: Dict `{modality: kind}`, of `"image"`, `"text"`, `"speech"`,
            `"video"` and `"numbers"`.
        thumbnails: Dict `{modality: uint8 array (rows, height, width, 3)}`, or
            the content of a file of them, or None.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        names = ["red", "green", "blue"]
        words = kx.networks.TextPreprocessor(
            vocabulary=names, sequence_length=2
        )
        model = kx.EmbeddingModel(
            encoders={
                "color": keras.Sequential([keras.Input((3,))]),
                "text": kx.networks.TextEncoder(words.vocabulary_size(), 4),
            },
            embedding_dim=4,
            preprocessors={"text": words},
        )
        colors = {
            name: {"numbers": row, "item": name, "captions": [name]}
            for name, row in zip(names, np.eye(3).tolist())
        }
        kx.runs.write_run(
            "colors", model, {"color": colors}, {"modalities": {
                "color": {"kind": "numbers", "columns": ["r", "g", "b"]},
                "text": {"kind": "text", "columns": ["name"]},
            }},
        )
        run = kx.runs.Run.load("colors")
        print(run)  # Run(colors, color: 3, of color and text)
        hits = run.search("red", k=2)
        print(hits[0]["modality"], hits[0]["captions"])
        hits = run.search({"color": [0.9, 0.1, 0.0], "text": "but blue"})
        ```
    """

    def __init__(self, path, index, items, report, kinds, thumbnails=None):
        self.path = path
        self.model = index.model
        self.index = index
        self.items = items
        self.report = report
        self.kinds = kinds
        self._thumbnails = thumbnails  # as read, for few ask for them
        self._generator = None

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Run":
        """Read a run folder, all of its files in one state.

        Args:
            path: Path of the folder.

        Returns:
            `Run`.

        Raises:
            FileNotFoundError: If there is no run, or a file of it is missing.
            ValueError: If a file is damaged, does not fit the others, or was
                written by a later release.
        """
        folder = checks.path("path", path)
        with files.snapshot(folder, NAMES) as opened:
            if INDEX not in opened or MODEL not in opened:
                missing = MODEL if INDEX in opened else INDEX
                raise FileNotFoundError(
                    f"RUN must be a run folder, with {MODEL} and {INDEX}. "
                    f"Received: {path}, without {missing}"
                )
            report = read_report(opened.get(REPORT), folder / REPORT)
            items = _read_items(opened, folder, report)
            _check_whole(opened[MODEL], folder / MODEL)
            opened[MODEL].seek(0)
            index = ExactIndex._read(opened, folder)
            thumbnails = None
            if THUMBNAILS in opened:
                thumbnails = opened[THUMBNAILS].read()
        other = items is not None and items_lib.mismatch(items, index)
        if other:
            raise ValueError(
                f"RUN must hold in {ITEMS} the ids of its {INDEX}. "
                f"Received: {folder}, {other}"
            )
        kinds = _kinds(report, index.model, folder)
        return cls(folder, index, items or {}, report, kinds, thumbnails)

    @property
    def generator(self) -> Any:
        """The `GANModel` or `VAEModel` of the same modalities, or None.

        It is read when it is first asked for, which raises a ValueError if it
        is damaged.
        """
        file = self.path / GENERATOR
        if self._generator is None and file.is_file():
            self._generator = _read_generator(file)
        return self._generator

    def __repr__(self):
        rows = ", ".join(f"{n}: {size}" for n, size in self.index.sizes.items())
        return f"Run({self.path.name}, {rows}, of {' and '.join(self.kinds)})"

    def search(
        self,
        query: Any,
        k: int = 5,
        modality: str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[dict]:
        """Find the items that are nearest to a query.

        A query may be of several modalities: where it points is the mean,
        weighted if you like, of their embeddings, each of length 1.

        Args:
            query: A text; or the path or content of a file, a picture,
                a recording or a clip, which its content tells. Or a dict
                `{modality: raw example}` of one or several: a text; a path,
                bytes or array of a picture, recording or clip; a vector.
            k: Positive integer, hits to return.
            modality: Name of the modality to find. Defaults to texts for
                pictures, recordings and clips, and to these for texts; where
                the query is of several modalities, to the first of them that
                is no text.
            weights: Dict `{modality: number}`, how much each part of a query
                of several modalities counts. Defaults to all the same.

        Returns:
            List of dicts, best first: `"modality"`, `"id"`, `"score"` (cosine
            similarity), `"captions"` (texts of the same item), `"item"`, and
            where they are known `"file"` (its path) and `"text"`.

        Raises:
            TypeError, ValueError: If a query is empty, not readable, of a
                modality that the run does not have, or holds nothing that the
                model knows.
            OSError: If a file cannot be read.
        """
        k = checks.positive_integer("k", k)
        return self.find(self.read(query), k, modality, weights)

    def find(
        self,
        examples: dict[str, Any],
        k: int = 5,
        modality: str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[dict]:
        """Find the items that are nearest to what `read` returned.

        Args:
            examples: Dict `{modality: example}`.
            k: Positive integer, hits to return.
            modality: As in `search`.
            weights: As in `search`.

        Returns:
            As `search`.

        Raises:
            ValueError: If the modality is unknown, the index empty, or the
                weights are not of the examples.
        """
        if not len(self.index):
            raise ValueError(
                "RUN must hold items to find. "
                f"Received: {self.path}, whose index is empty"
            )
        if modality is None:
            modality = self._target(examples)
        checks.one_of("modality", modality, self.index.modalities)
        shares = _shares(weights, examples)
        embeddings = [
            raw.embed(self.model, name, self.kinds[name], [example])
            for name, example in examples.items()
        ]
        units = [
            unit_embeddings(None, e, "query", "query")["query"]
            for e in embeddings
        ]
        ids, scores = self.index.search(
            np.average(units, axis=0, weights=shares), k=k, modality=modality
        )
        return [
            self._hit(modality, str(key), float(score))
            for key, score in zip(ids[0], scores[0], strict=True)
        ]

    def read(self, query: Any) -> dict[str, Any]:
        """Tell the modalities of a query, and check and read it.

        Args:
            query: As in `search`.

        Returns:
            Dict `{modality: example}`.

        Raises:
            TypeError, ValueError, OSError: As `search`.
        """
        if not isinstance(query, dict):
            return self._told_by_content(query)
        if not query:
            raise ValueError("The query must not be empty. Received: {}")
        examples = {}
        for name, value in query.items():
            checks.one_of("modality", name, self.kinds)
            examples[name] = self._known(name, value, f"query[{name!r}]")
        return examples

    def thumbnail(self, modality: str, key: str) -> np.ndarray | None:
        """A small picture of a row of the index.

        Args:
            modality: Name of its modality.
            key: Its id.

        Returns:
            Array of shape `(height, width, 3)`, uint8; or None where there is
            no such picture.

        Raises:
            ValueError: If the file of them is damaged.
        """
        pictures = self.thumbnails().get(modality)
        if pictures is None:
            return None
        place = self._places.get(modality, {}).get(str(key))
        return None if place is None else pictures[place]

    def thumbnails(self) -> dict[str, np.ndarray]:
        """All small pictures of the rows of the index.

        Returns:
            Dict `{modality: array (rows, height, width, 3)}`, uint8, in the
            order of the index.

        Raises:
            ValueError: If the file of them is damaged.
        """
        if isinstance(self._thumbnails, bytes):
            path = self.path / THUMBNAILS
            file = io.BytesIO(self._thumbnails)
            self._thumbnails = read_thumbnails(file, path, self.index)
        return self._thumbnails or {}

    @functools.cached_property
    def _places(self):
        """Positions in the index by modality and id, the first of each."""
        places = {}
        for name in self.index.modalities:
            ids = self.index.rows(name)[0]
            places[name] = {}
            for place, key in enumerate(ids):
                places[name].setdefault(str(key), place)
        return places

    def _told_by_content(self, query):
        read = raw.read_query(query)
        kinds = ("text",)
        if isinstance(read, bytes):
            name = "the content" if isinstance(query, bytes) else str(query)
            kinds = raw.kinds_of(read, name)
        elif not isinstance(read, str):
            raise TypeError(
                "The query must be a text, the path or content of a file, or "
                "a dict {modality: raw example}. "
                f"Received: query of type {type(query).__name__}"
            )
        for kind in kinds:
            for name, known in self.kinds.items():
                if known == kind:
                    shown = "the query" if kind == "text" else str(query)[:200]
                    return {name: self._known(name, read, shown)}
        raise ValueError(
            "The query must be of a modality of the run, which has "
            f"{' and '.join(self.kinds)}. Received: {raw.CALLED[kinds[0]]}"
        )

    def warm_up(self) -> None:
        """Compile now all that the first query of each kind would wait for."""
        for name, kind in self.kinds.items():
            example = raw.sample(self.model, name, kind)
            if isinstance(example, bytes):
                raw.kinds_of(example)
            example = raw.prepare(kind, example)
            if kind == "text":
                self._has_tokens(name, example)
            for modality in self.index.modalities:
                self.find({name: example}, 1, modality)

    def _known(self, name, value, shown):
        """A raw example, checked: a text must be more than padding.

        That is near to anything.
        """
        kind = self.kinds[name]
        num_frames = raw.num_frames(self.model, name)
        example = raw.prepare(kind, value, shown, num_frames)
        if kind == "text" and not self._has_tokens(name, example):
            raise ValueError(
                "The query must hold letters or digits that the model knows. "
                f"Received: {example!r}"
            )
        return example

    def _has_tokens(self, name, text):
        if name not in self.model.preprocessors:
            return True
        tokens = apply_to_rows(
            self.model,
            ("tokens",),
            lambda x, rows, noise: x,
            {name: np.array([text], object)},
            batch_size=1,
        )
        return any(np.any(leaf) for leaf in keras.tree.flatten(tokens))

    def _target(self, examples):
        """The modality to find: of another kind, or of that which is changed.

        "This picture, but red" asks for pictures.
        """
        found = self.index.modalities
        is_text = {name: self.kinds.get(name) == "text" for name in found}
        asked = [name for name in found if name in examples]
        others = [name for name in found if name not in examples]
        if len(examples) > 1:
            others = [name for name in asked if not is_text[name]] or others
            return (others or found)[0]
        in_words = self.kinds[next(iter(examples))] == "text"
        fitting = [name for name in others if is_text[name] != in_words]
        return (fitting or others or found)[0]

    def _hit(self, modality, key, score):
        entry = self.items.get(modality, {}).get(key, {})
        hit = {"modality": modality, "id": key, "score": round(score, 4)}
        if "file" in entry:
            hit["file"] = str(self.path / entry["file"])
        if "text" in entry or self.kinds.get(modality) == "text":
            hit["text"] = entry.get("text", key)
        hit["captions"] = list(entry.get("captions", ()))
        hit["item"] = entry.get("item", key)
        return hit


def _read_generator(path):
    _check_whole(path, path)
    try:
        return keras.saving.load_model(path)
    except _DAMAGED as error:
        raise ValueError(
            f"RUN must hold a readable {GENERATOR}, or none: copy it again, "
            f"or remove it, to go on without. Received: {path}, where {error}"
        ) from error


def _check_whole(file, path):
    """Check that a model was written and copied to its end.

    Keras would say that there is no such file.
    """
    if not zipfile.is_zipfile(file):
        others = ", or none" if path.name == GENERATOR else ""
        raise ValueError(
            f"RUN must hold a readable model, {path.name}{others}: copy it "
            f"again, or train again. Received: {path}, which is cut or no "
            "`.keras` file"
        )


def _shares(weights, examples):
    """Numbers, one for each example, or None."""
    if weights is None:
        return None
    checks.modalities("weights", weights, examples, complete=True)
    numbers = [
        checks.not_negative(f"weights[{name!r}]", weights[name])
        for name in examples
    ]
    if not any(numbers):
        raise ValueError(
            f"`weights` must not all be 0. Received: weights={weights}"
        )
    return numbers


def read_report(file, path) -> dict:
    """Read and check an open `report.json`; empty where there is none."""
    if file is None:
        return {}
    report = items_lib.read_json(file, path)
    if not isinstance(report, dict):
        raise ValueError(
            f"RUN must hold a readable {REPORT}, a dict. Received: {path} with "
            f"a {type(report).__name__}"
        )
    version = report.get("format", 0)
    if not isinstance(version, int) or version > FORMAT:
        raise ValueError(
            f"RUN must be of format {FORMAT} or below, which this release "
            f"reads. Received: {path} of format {version!r}"
        )
    return report


def read_thumbnails(file, path, index) -> dict[str, np.ndarray]:
    """Read thumbnails, and check that they are those of an index."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            pictures = dict(arrays)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"RUN must hold a readable {THUMBNAILS}, or none. "
            f"Received: {path}, where {error}"
        ) from error
    for name, array in pictures.items():
        expected = index.sizes.get(name, 0)
        if array.dtype != np.uint8 or array.shape[:1] != (expected,):
            raise ValueError(
                f"RUN must hold in {THUMBNAILS} a picture of each row of its "
                f"index. Received: {path} with {array.dtype} {array.shape} of "
                f"{name!r}, which has {expected} rows"
            )
    return pictures


def _read_items(opened, folder, report):
    if ITEMS in opened:
        return items_lib.read_items(opened[ITEMS], folder / ITEMS)
    if "format" in report:
        raise FileNotFoundError(
            f"RUN must hold {ITEMS}, as its {REPORT} says. "
            f"Received: {folder}, without"
        )
    return None


def _kinds(report, model, folder):
    told = report.get("modalities")
    if told is None:
        return raw.kinds_of_model(model)
    kinds = {}
    for name in model.modalities:
        entry = told.get(name) if isinstance(told, dict) else None
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if kind not in raw.KINDS:
            raise ValueError(
                f"RUN must say in {REPORT} the kind of each modality, one of "
                f"{', '.join(raw.KINDS)}. Received: {folder} with {kind!r} of "
                f"{name!r}"
            )
        kinds[name] = kind
    return kinds
