"""A corpus of any size, embedded into files of Parquet."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_xmodal import checks
from keras_xmodal.reports import Report
from keras_xmodal.retrieval.corpus.work import do_work, make_work


def embed_corpus(
    model: Any,
    source: Any,
    out: str | os.PathLike,
    modalities: Mapping[str, str | Sequence[str]] | None = None,
    ids: Any = None,
    *,
    files: Sequence[str] = (),
    delimiter: str = ",",
    root: str | os.PathLike | None = None,
    skip_broken: bool = False,
    shard_size: int = 4096,
    batch_size: int = 256,
    num_workers: int = 1,
    worker: int = 0,
    verbose: str | int = "auto",
) -> Report:
    """Embed any number of items into a folder, and go on after a stop.

    Rows are read, embedded and written batch by batch, so that memory does not
    grow with their number. A shard of `shard_size` rows is a Parquet file that
    appears when it is complete. Who is killed calls the same again, and what is
    there is not done again: each row is embedded once, or is among those that
    are left out. Another model, source or shard size is refused.

    Several processes may be at one folder: each takes shards that no other one
    is at. On several machines, which share a disk but perhaps no locks, give
    each its `worker`, from 0 on, of `num_workers`.

    The folder holds `_corpus.json` (what it was made of, the number of rows,
    and what was left out) and `shard-0000000.parquet` and so on, with the
    columns `id`, `modality` and `embedding`, a list of `embedding_dim` float32:
    a row for each modality that an item has. `kx.retrieval.read_corpus` reads
    it back, and so does what reads Parquet. More: docs/corpus.md.

    A source is

    - the path of a CSV file, as `kx.datasets.from_csv` describes it, of any
      size; the files that it names are read when it is their turn;
    - the path of Parquet files, of their folder, or a
      `pyarrow.dataset.Dataset`: columns are texts, contents of files as
      binary, numbers, lists of equally many numbers or, with `files`, paths,
      relative to the folder;
    - the path of a folder of pictures, recordings or clips: each file is a
      row, its id the relative path; with `{"text": "text"}` also its texts, as
      `kx.datasets.from_folder` reads them;
    - a dict `{modality: array}` in memory;
    - a `tf.data.Dataset`, a `keras.utils.PyDataset` or any iterable of batches
      `x`, `(x, ids)` or `(x, ids, sample_weight)`, where `x` is such a dict
      and a weight of 0 says that a modality is missing. It has to give the
      same rows in the same order each time: to go on, it is gone through from
      its start, and compared with what is there. An iterator, such as a
      generator, is made anew by who calls again.

    What stands in it is raw: what the preprocessors of the model take, such
    as texts and the contents of files. Parquet needs `pip install
    'keras-xmodal[parquet]'`.

    Args:
        model: `kx.EmbeddingModel`, or the path of its `.keras` file, or of a
            SavedModel that `kx.export.saved_model` wrote, which is run without
            Keras.
        source: As above.
        out: Path of a new folder, or of one that this has begun.
        modalities: Dict `{modality: column}` of a table; a list of columns are
            numbers; of a folder, kinds. None: the columns that are called as
            modalities are.
        ids: Column of the ids in a table, or an array of ids beside arrays:
            integers or strings. None: the relative path in a folder, the ids
            in batches, and else the number of the row, from 0.
        files: Names of the modalities whose columns are paths of files.
        delimiter: What stands between two cells of a CSV file.
        root: Folder that all files must lie in, or None, as for `from_csv`.
        skip_broken: Whether rows are left out that cannot be read or embedded,
            such as those of broken files; they are told in `_corpus.json`. If
            not, they end it with an error that names them.
        shard_size: Positive integer, rows of a shard: what is lost by a stop.
        batch_size: Positive integer, rows embedded at once.
        num_workers: Positive integer, between how many the shards are divided.
        worker: Integer from 0, which of them this is.
        verbose: 0 for no progress bar.

    Returns:
        Dict of `out`, `rows` of the source (None where its end is not known
        yet), `embedded` rows and `seconds` of this call, `complete`, whether
        all shards are there, and then `left_out`, a list of dicts with `row`,
        `id` and `error`.

    Raises:
        TypeError: If an argument has the wrong type.
        FileNotFoundError: If the model or the source is missing.
        FileExistsError: If something else is at `out`.
        ValueError: If the source has no modality of the model, a table is
            damaged, rows cannot be embedded and `skip_broken` is False, or
            `out` holds another corpus.
        ImportError: If PyArrow is not installed.

    Example:
        ```python
        import pathlib

        import keras_xmodal as kx

        words = kx.networks.TextPreprocessor(
            vocabulary=["red", "green", "apple", "tree"], sequence_length=3
        )
        model = kx.EmbeddingModel(
            encoders={"text": kx.networks.TextEncoder(words.vocabulary_size())},
            embedding_dim=4,
            preprocessors={"text": words},
        )
        pathlib.Path("pairs.csv").write_text(
            "name,text\\na,red apple\\nb,green apple\\nc,green tree\\n"
        )
        report = kx.retrieval.embed_corpus(
            model, "pairs.csv", "corpus", ids="name", verbose=0
        )
        print(report["complete"], report["embedded"])  # True 3

        index = kx.retrieval.ExactIndex(model)
        for shard in kx.retrieval.read_corpus("corpus"):
            for modality, (names, embeddings) in shard.items():
                index.add(embeddings, names, modality)
        print(index.search({"text": ["a tree, green"]}, k=1)[0])  # [['c']]
        ```
    """
    num_workers = checks.positive_integer("num_workers", num_workers)
    worker = checks.integer("worker", worker, 0, num_workers - 1)
    verbose = checks.verbose(verbose)
    work = make_work(
        model,
        source,
        out,
        modalities,
        ids,
        files=files,
        delimiter=delimiter,
        root=root,
        skip_broken=skip_broken,
        shard_size=shard_size,
        batch_size=batch_size,
    )
    return do_work(work, num_workers, worker, verbose)
