"""What all engines share: shards that are missing, done by whoever."""

import os
import time
from collections.abc import Callable

from keras_xmodal import checks
from keras_xmodal.reports import Report
from keras_xmodal.retrieval.corpus.work import Work, make_work, report

# Of `embed_corpus`, which an engine decides.
_OF_ENGINES = ("num_workers", "worker", "verbose")


def embed_with(engine: Callable, model, source, out, arguments) -> Report:
    """Let an engine do the missing shards of a corpus.

    Args:
        engine: Function of `Work` and numbers of shards, which does them.
        model: Path of a model that all workers can read.
        source: Source whose rows can be read from any on.
        out: Path of a folder that all workers can write to.
        arguments: Dict of the others of `embed_corpus`.
    """
    start = time.perf_counter()
    checks.instance_of(
        "model", model, (str, os.PathLike), "a path that all workers can read"
    )
    for name in _OF_ENGINES:
        if name in arguments:
            raise TypeError(
                "The engine divides the work and tells of it. "
                f"Received: {name}={arguments[name]!r}"
            )
    work = make_work(str(checks.path("model", model)), source, out, **arguments)
    if work.num_shards is None:
        raise TypeError(
            "`source` must be one that can be read from any row on, such as a "
            "table, for an engine; `kx.retrieval.embed_corpus` takes batches. "
            f"Received: source of type {type(source).__name__}"
        )
    missing = work.folder.missing()
    if missing:
        engine(work, missing)
    embedded = 0
    for number in missing:
        if work.folder.is_done(number):
            embedded += work.folder.num_embedded(number)
    return report(work.folder, embedded, time.perf_counter() - start)


class ShardWriter:
    """Write shards in a worker, whose model is loaded once.

    Args:
        work: `Work`.
    """

    def __init__(self, work: Work):
        self._work = work
        work.open()

    def write(self, number: int) -> int:
        """Write a shard that is not there; return the number of its rows."""
        return sum(rows for _, rows, _ in self._work.run([number]))
