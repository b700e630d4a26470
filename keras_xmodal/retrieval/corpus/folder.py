"""The folder of a corpus: a manifest, and shards of Parquet beside it."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterable

import numpy as np

from keras_xmodal import files
from keras_xmodal.retrieval.corpus.arrow import load_pyarrow

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None  # type: ignore[assignment]

# Readers of folders of Parquet take no notice of names that begin so.
MANIFEST, CLAIMS = "_corpus.json", ".claims"
FORMAT = 1
ID, MODALITY, EMBEDDING = "id", "modality", "embedding"
_KEY = b"keras_xmodal"
_FIRST_NAMED = 10


def shard_name(number):
    """Name of the file of a shard."""
    return f"shard-{number:07d}.parquet"


class CorpusFolder:
    """What is there of a corpus. A shard is done where its file is there.

    Args:
        path: `pathlib.Path` of the folder, with its manifest.
        job: Dict of what the corpus is made of; None: as the manifest says.
    """

    def __init__(self, path: pathlib.Path, job: dict | None = None):
        load_pyarrow()
        self.path, self.job = path, job
        self.manifest = self._read_manifest()
        self.job = self.manifest["job"]

    @classmethod
    def create(cls, path, job):
        """Make a folder for a job, or take that which is there for it."""
        load_pyarrow()
        if not (path / MANIFEST).is_file():
            _make(path, {"format": FORMAT, "job": job, "rows": job["rows"]})
        folder = cls(path)
        others = [key for key in job if folder.job.get(key) != job[key]]
        if others:
            shown = ", ".join(
                key
                if key in ("model", "source")
                else f"{key} {folder.job.get(key)!r}, and not {job[key]!r}"
                for key in others
                if key != "fingerprint"
            )
            raise ValueError(
                "`out` must be a new folder, or that of the same model, source "
                f"and arguments. Received: {path}, of another {shown}"
            )
        return folder

    @property
    def num_rows(self):
        """Rows of the source, None where the end is not known yet."""
        return self.manifest["rows"]

    @property
    def num_shards(self):
        """Number of shards, None where the end is not known yet."""
        if self.num_rows is None:
            return None
        return -(-self.num_rows // self.job["shard_size"])

    def file(self, number):
        """Path of a shard."""
        return self.path / shard_name(number)

    def is_done(self, number):
        """Whether a shard is there, whole."""
        try:
            self.facts(number)
        except (FileNotFoundError, DamagedShardError):
            return False  # One that is damaged is made anew.
        return True

    def missing(self):
        """Numbers of the shards that are not there."""
        return [n for n in range(self.num_shards) if not self.is_done(n)]

    def num_rows_done(self):
        """Rows of all shards that are there."""
        count = 0
        for number in range(self.num_shards or 0):
            with contextlib.suppress(FileNotFoundError, DamagedShardError):
                facts = self.facts(number)
                count += facts["stop"] - facts["first"]
        return count

    def facts(self, number):
        """What a shard says of itself; it is one of this corpus."""
        import pyarrow.parquet

        file = self.file(number)
        try:
            metadata = pyarrow.parquet.read_metadata(file)
            facts = json.loads(metadata.metadata[_KEY])
            count = sum(facts["rows"].values())
            first = number * self.job["shard_size"]
            if (count, first) != (metadata.num_rows, facts["first"]):
                raise ValueError("which has other rows")
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedShardError(
                f"A shard must be whole. Received: {file}, {error}"
            ) from error
        if facts["job"] != self.job["fingerprint"]:
            raise ValueError(
                "A shard must be of the corpus in whose folder it is. "
                f"Received: {file}, of another one"
            )
        return facts

    def num_embedded(self, number):
        """Rows of a shard that are not left out."""
        facts = self.facts(number)
        return facts["stop"] - facts["first"] - len(facts["left_out"])

    def write(self, number, embeddings, left_out, stop, digest):
        """Write a shard beside its place, and move it there.

        Args:
            number: Integer, which one.
            embeddings: Dict by modality of pairs: ids `(rows,)`, and an array
                `(rows, dim)`.
            left_out: List of dicts of the rows that have none.
            stop: Integer, the place after the last row.
            digest: String that tells the rows from others, or None.
        """
        import pyarrow
        import pyarrow.parquet

        facts = {
            "job": self.job["fingerprint"],
            "first": number * self.job["shard_size"],
            "stop": stop,
            "rows": {n: len(ids) for n, (ids, _) in embeddings.items()},
            "left_out": left_out,
            "digest": digest,
        }
        names, rows = zip(*embeddings.items(), strict=True)
        ids, vectors = (
            np.concatenate(parts) for parts in zip(*rows, strict=True)
        )
        table = pyarrow.table(
            {
                ID: pyarrow.array(ids, self.job["ids"]),
                MODALITY: np.repeat(names, [len(ids) for ids, _ in rows]),
                EMBEDDING: pyarrow.FixedSizeListArray.from_arrays(
                    pyarrow.array(vectors.ravel()), self.job["dim"]
                ),
            }
        ).replace_schema_metadata({_KEY: json.dumps(facts)})
        content = pyarrow.BufferOutputStream()
        # Embeddings never repeat; their dictionaries take room and time.
        pyarrow.parquet.write_table(
            table,
            content,
            compression="zstd",
            use_dictionary=[MODALITY],
            write_page_checksum=True,
        )
        files.write(self.file(number), content.getvalue())

    def read(self, number):
        """A shard: dict by modality of ids and embeddings."""
        import pyarrow
        import pyarrow.parquet

        counts = self.facts(number)["rows"]
        try:
            table = pyarrow.parquet.read_table(
                self.file(number),
                page_checksum_verification=True,
                partitioning=None,
            )
            ids = table.column(ID).to_numpy()
            column = table.column(EMBEDDING).combine_chunks()
            rows = column.flatten().to_numpy().reshape(len(ids), -1)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedShardError(
                "A shard must be whole; `embed_corpus` makes one anew that is "
                f"removed. Received: {self.file(number)}, {error}"
            ) from error
        found, start = {}, 0
        for name, count in counts.items():
            part = slice(start, start + count)
            found[name], start = (ids[part], rows[part]), start + count
        return found

    def end_at(self, num_rows):
        """Tell where a source ends that says so last."""
        if self.num_rows != num_rows:
            self._write_manifest(rows=num_rows)

    def finish(self):
        """Tell in the manifest what was left out, where all shards are there.

        What processes left that were killed beside shards is removed.

        Returns:
            List of dicts of the rows that were, or None where shards are
            missing.
        """
        if self.num_shards is None:
            return None
        left_out = []
        for number in range(self.num_shards):
            try:
                left_out += self.facts(number)["left_out"]
            except (FileNotFoundError, DamagedShardError):
                return None
        for number in range(self.num_shards):
            files.recover(self.file(number))
        self._write_manifest(left_out=left_out)
        return left_out

    def claim(self, numbers: Iterable[int]) -> "Claims":
        """Take shards that no other process of this machine is at."""
        return Claims(self.path / CLAIMS, numbers)

    def _write_manifest(self, **facts):
        manifest = {**self._read_manifest(), **facts}
        if manifest != self.manifest:
            files.write(self.path / MANIFEST, _to_json(manifest))
            self.manifest = manifest

    def _read_manifest(self):
        file = self.path / MANIFEST
        try:
            content = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(
                "`folder` must be that of a corpus, as `embed_corpus` writes "
                f"it. Received: no file {file}"
            ) from None
        try:
            manifest = json.loads(content)
            known = manifest["format"]
            if known > FORMAT:
                raise ValueError(
                    f"it has format {known}, this release reads up to {FORMAT}"
                )
            manifest["job"]["fingerprint"], manifest["job"]["shard_size"]
            manifest["job"]["dim"], manifest["rows"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                "The manifest of a corpus must be whole. "
                f"Received: {file}, {type(error).__name__}: {error}"
            ) from error
        return manifest


def _make(path, manifest):
    """Make a folder with a manifest, or leave it to who is faster."""
    there = path.is_dir() and [
        other for other in path.iterdir() if not other.name.startswith(".")
    ]
    if there and not (path / MANIFEST).is_file():
        raise FileExistsError(
            "`out` must be a new folder, or that of the same corpus. "
            f"Received: {path}, which holds something else"
        )
    files.writable_folder(path)
    with files.beside(path / MANIFEST) as partial:
        partial.write_bytes(_to_json(manifest))
        try:
            os.link(partial, path / MANIFEST)
        except FileExistsError:
            return
        except OSError:  # The disk has no links.
            os.replace(partial, path / MANIFEST)


class DamagedShardError(ValueError):
    """A file that is no whole shard."""


class Claims:
    """Shards, each locked by its byte of one file, to the end of the process.

    Args:
        path: `pathlib.Path` of that file.
        numbers: Iterable of shards to take, one after the other.
    """

    def __init__(self, path, numbers):
        self._path, self._numbers, self._file = path, numbers, None

    def __enter__(self):
        if fcntl is not None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        return self

    def __exit__(self, *error):
        if self._file is not None:
            os.close(self._file)

    def __iter__(self):
        """Those that nobody else is at."""
        return (number for number in self._numbers if self._take(number))

    def _take(self, number):
        try:
            if self._file is not None:
                flags = fcntl.LOCK_EX | fcntl.LOCK_NB
                fcntl.lockf(self._file, flags, 1, number)
        except BlockingIOError:
            return False
        except OSError:  # The disk has no locks.
            return True
        return True

    def release(self, number):
        """Let others see that a shard is done."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)


def rows_left_out(errors):
    """Name rows that cannot be embedded, the first of them."""
    named = "; ".join(
        f"row {e['row']} (id {e['id']!r}): {e['error']}"
        for e in errors[:_FIRST_NAMED]
    )
    more = len(errors) - _FIRST_NAMED
    return named + (f"; and {more} more" if more > 0 else "")


def _to_json(value):
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode(
        "utf-8", "surrogatepass"
    )
