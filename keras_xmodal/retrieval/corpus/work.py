"""What is done to embed a corpus, by whichever engine."""

import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import pathlib
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_xmodal import checks, progress
from keras_xmodal.reports import Report
from keras_xmodal.retrieval.corpus.ahead import ahead
from keras_xmodal.retrieval.corpus.arrow import load_pyarrow
from keras_xmodal.retrieval.corpus.chunk import Chunk, Digest
from keras_xmodal.retrieval.corpus.columns import kind_of_ids
from keras_xmodal.retrieval.corpus.embedders import REFUSALS, open_embedder
from keras_xmodal.retrieval.corpus.folder import CorpusFolder, rows_left_out
from keras_xmodal.retrieval.corpus.shard import Shard
from keras_xmodal.retrieval.corpus.sources import open_source

_AHEAD = 2  # batches that are read while one is embedded
_READERS = 8  # threads that read files
_MOST_BYTES = 2**26  # of files in a batch
_PARTS = 16  # into which a batch falls where some row of it is refused


class Loaded(NamedTuple):
    """A batch whose files are read, and what is wrong with rows of it.

    Args:
        number: Integer, the shard.
        rows: `Chunk`.
        errors: Dict from places to what is wrong.
        is_last: Whether the shard ends with it.
    """

    number: int
    rows: Chunk
    errors: dict
    is_last: bool


class Work:
    """A corpus to embed: shards of rows, each done by itself.

    It can be sent to another process, where `model` is a path.

    Args:
        embedder: As `open_embedder` gives it.
        source: As `open_source` gives it.
        out: `pathlib.Path` of the folder.
        shard_size: Integer, rows of a shard.
        batch_size: Integer, rows embedded at once.
        skip_broken: Whether rows that cannot be embedded are left out.
        model: What `embedder` was opened with.
    """

    def __init__(
        self,
        embedder: Any,
        source: Any,
        out: pathlib.Path,
        shard_size: int,
        batch_size: int,
        skip_broken: bool,
        model: Any = None,
    ):
        self._embedder, self._source, self._model = embedder, source, model
        self._batch_size, self._skip_broken = batch_size, skip_broken
        dim, kind = self._try_first()
        job = {
            "model": embedder.fingerprint,
            "source": source.fingerprint,
            "modalities": list(source.modalities),
            "dim": dim,
            "ids": kind,
            "rows": source.num_rows,
            "shard_size": shard_size,
        }
        text = json.dumps(job, sort_keys=True)
        job["fingerprint"] = hashlib.sha256(text.encode()).hexdigest()
        self.folder = CorpusFolder.create(out, job)

    def __getstate__(self):
        """Without the model, which is opened anew where it is used."""
        return {**vars(self), "_embedder": None}

    @property
    def num_shards(self) -> int | None:
        """Number of shards, None where only the way to the end tells."""
        follows = self._source.follows_order
        return None if follows else self.folder.num_shards

    def open(self) -> None:
        """Load the model, where it is not yet."""
        if self._embedder is None:
            self._embedder = open_embedder(self._model)

    def run(self, numbers: Iterable[int]) -> Iterator[tuple[int, int, int]]:
        """Do shards; yield the number of each, of its rows, of those left out.

        Files are read, and the last shard is written, while a batch is
        embedded.
        """
        self.open()
        names, dim = self._source.modalities, self.folder.job["dim"]
        shard = written = None
        with (
            concurrent.futures.ThreadPoolExecutor(1) as writer,
            contextlib.closing(ahead(self._load(numbers), _AHEAD)) as batches,
        ):
            for number, rows, errors, is_last in batches:
                shard = shard or Shard(rows.first, names, dim)
                if self._source.follows_order:
                    shard.digest.update(rows)
                shard.add(rows, self._embed(rows, errors), errors)
                if not is_last:
                    continue
                self._check_errors(shard)
                if written is not None:
                    yield written.result()
                written = writer.submit(self._write, number, shard)
                shard = None
            if written is not None:
                yield written.result()

    def _check_errors(self, shard):
        if shard.errors and not self._skip_broken:
            raise ValueError(
                "Each row must be one that can be embedded; `skip_broken=True` "
                f"leaves others out. Received: {len(shard.errors)} of "
                f"{shard.num_rows} rows that cannot: "
                f"{rows_left_out(shard.errors)}"
            )

    def _write(self, number, shard):
        follows = self._source.follows_order
        self.folder.write(
            number,
            shard.embeddings(),
            shard.errors,
            shard.first + shard.num_rows,
            shard.digest.hexdigest() if follows else None,
        )
        return number, shard.num_rows, len(shard.errors)

    def _load(self, numbers):
        """Batches of shards that are not there, whose files are read."""
        with concurrent.futures.ThreadPoolExecutor(_READERS) as readers:
            size = self.folder.job["shard_size"]
            for number in numbers:
                start, stop = number * size, (number + 1) * size
                chunks = self._source.read(start, stop, self._batch_size)
                if self.folder.is_done(number):
                    if self._source.follows_order:
                        self._compare(number, chunks)
                    continue
                waiting = None
                for chunk in chunks:
                    self._check_before_end(chunk.end)
                    for rows, errors in self._read_files(chunk, readers):
                        if waiting is not None:
                            yield waiting
                        waiting = Loaded(number, rows, errors, False)
                if waiting is None or waiting.rows.end < stop:
                    self._check_end()
                if waiting is None:
                    return
                yield waiting._replace(is_last=True)

    def _check_end(self):
        """Tell where the rows end, or check that it is where they ended."""
        if not self._source.follows_order:
            return
        end = self._source.end
        if self.folder.num_rows is None:
            self.folder.end_at(end)
        elif end < self.folder.num_rows:
            raise self._refusal(f"{end} rows after {self.folder.num_rows}")

    def _check_before_end(self, end):
        if self.folder.num_rows is not None and end > self.folder.num_rows:
            raise self._refusal(f"more rows than {self.folder.num_rows}")

    def _refusal(self, received):
        return ValueError(
            "`source` must hold what it held before, in the same order. "
            f"Received: {received}"
        )

    def _compare(self, number, chunks):
        """Check that rows are those that a shard was made of."""
        digest = Digest()
        for chunk in chunks:
            digest.update(chunk)
        if digest.hexdigest() != self.folder.facts(number)["digest"]:
            file = self.folder.file(number)
            raise self._refusal(f"other rows than those of {file}")

    def _read_files(self, rows, readers):
        """A batch, in several where its files are large, and errors."""
        names = [n for n in self._source.files if n in rows.columns]
        if not names:
            yield rows, {}
            return
        start, size, errors = rows.first, 0, {}
        found = {name: [] for name in names}
        wanted = zip(*(rows.columns[name] for name in names), strict=True)
        for place, read in enumerate(
            readers.map(lambda paths: self._read_row(names, paths), wanted),
            start=rows.first,
        ):
            for name, value in read.items():
                if isinstance(value, Exception):
                    errors[place] = _message(value)
                    value = None
                found[name].append(value)
                size += _num_bytes(value)
            if size > _MOST_BYTES or place + 1 == rows.end:
                part = rows.part(start, place + 1)
                yield part._replace(columns={**part.columns, **found}), errors
                start, size, errors = place + 1, 0, {}
                found = {name: [] for name in names}

    def _read_row(self, names, paths):
        values = {}
        for name, path in zip(names, paths, strict=True):
            try:
                values[name] = path and self._embedder.read(name, path)
            except REFUSALS as error:
                values[name] = error
        return values

    def _embed(self, rows, errors):
        """Positions of the rows that have one, and embeddings, by modality."""
        places = np.arange(rows.first, rows.end)
        has_some = np.zeros(len(places), bool)
        wanted = {}
        for name, values in rows.columns.items():
            there = rows.present.get(name)
            if there is None:
                there = np.ones(len(places), bool)
            if isinstance(values, list):
                there = there & [value is not None for value in values]
            wanted[name] = there
            has_some |= there
        for place in places[~has_some].tolist():
            errors.setdefault(place, "a row must hold a modality")
        found = {}
        for name, there in wanted.items():
            sound = np.array([p not in errors for p in places.tolist()], bool)
            chosen = np.flatnonzero(there & sound)
            found[name] = self._embed_some(
                name, rows.columns[name], chosen, rows.first, errors
            )
        return found

    def _embed_some(self, name, values, chosen, first, errors):
        """Positions and embeddings of the rows that are not refused."""
        if not len(chosen):
            return chosen, None
        if isinstance(values, list):
            examples = [values[i] for i in chosen]
        elif len(chosen) < len(values):
            examples = values[chosen]
        else:
            examples = values
        try:
            embeddings = np.asarray(self._embedder.embed(name, examples))
            unfit = ~np.isfinite(embeddings).all(axis=1)
            for position in chosen[unfit].tolist():
                errors[first + position] = "its embedding is not finite"
            return chosen, embeddings
        except REFUSALS as error:
            if len(chosen) == 1:
                errors[first + int(chosen[0])] = _message(error)
                return chosen[:0], None
        parts = [
            self._embed_some(name, values, part, first, errors)
            for part in np.array_split(chosen, min(_PARTS, len(chosen)))
        ]
        parts = [part for part in parts if part[1] is not None]
        if not parts:
            return chosen[:0], None
        positions, embeddings = zip(*parts, strict=True)
        return np.concatenate(positions), np.concatenate(embeddings)

    def _try_first(self):
        """Size of the embeddings and kind of the ids, by the first rows.

        What is wrong with the model or with all rows is told before anything
        is written.
        """
        size = self._batch_size
        with concurrent.futures.ThreadPoolExecutor(_READERS) as readers:
            if self._source.follows_order:
                first = self._source.first
            else:
                first = next(iter(self._source.read(0, size, size)))
            first = first.part(0, min(size, first.end))
            rows, errors = next(self._read_files(first, readers))
        kind = kind_of_ids(rows.ids)
        refused = dict(errors)
        for _, embeddings in self._embed(rows, refused).values():
            if embeddings is not None:
                return embeddings.shape[1], kind
        place, error = next(iter(refused.items()))
        raise ValueError(
            "The first rows must hold one that can be embedded. Received: "
            f"{len(refused)} that cannot, row "
            f"{rows.numbers[place - rows.first]}: {error}"
        )


def _num_bytes(value):
    return (
        len(value) if isinstance(value, bytes) else getattr(value, "nbytes", 0)
    )


def _message(error):
    """What is wrong, in one line."""
    message = getattr(error, "message", None) or str(error)
    return (message.strip() or type(error).__name__).splitlines()[0]


def make_work(
    model,
    source,
    out,
    modalities=None,
    ids=None,
    *,
    files=(),
    delimiter=",",
    root=None,
    skip_broken=False,
    shard_size=4096,
    batch_size=256,
    embedder=None,
    choose=None,
) -> Work:
    """Check the arguments of `embed_corpus`, and make its folder."""
    out = checks.path("out", out)
    shard_size = checks.positive_integer("shard_size", shard_size)
    batch_size = checks.positive_integer("batch_size", batch_size)
    skip_broken = checks.boolean("skip_broken", skip_broken)
    load_pyarrow()
    if embedder is None:
        embedder = open_embedder(model)
    known = embedder.modalities
    source = open_source(
        source, known, modalities, ids, files, delimiter, root, choose
    )
    return Work(
        embedder, source, out, shard_size, batch_size, skip_broken, model
    )


def do_work(work, num_workers=1, worker=0, verbose=False) -> Report:
    """Do what is missing of a corpus in this process."""
    folder, embedded, start = work.folder, 0, time.perf_counter()
    numbers: Iterable[int] = itertools.count(worker, num_workers)
    if work.num_shards is not None:
        numbers = range(worker, work.num_shards, num_workers)
    with (
        folder.claim(numbers) as claims,
        progress.bar(
            total=folder.num_rows,
            initial=folder.num_rows_done(),
            desc="embedding",
            unit=" rows",
            disable=not verbose,
        ) as bar,
    ):
        for number, num_rows, left_out in work.run(claims):
            claims.release(number)
            embedded += num_rows - left_out
            bar.update(num_rows)
    return report(folder, embedded, time.perf_counter() - start)


def report(folder, embedded, seconds) -> Report:
    """What a call of `embed_corpus` has done, and what is there."""
    left_out = folder.finish()
    facts = {
        "out": str(folder.path),
        "rows": folder.num_rows,
        "embedded": embedded,
        "seconds": round(seconds, 3),
        "complete": left_out is not None,
    }
    return Report(
        {**facts, **({} if left_out is None else {"left_out": left_out})}
    )
