"""`keras-xmodal embed`: a table of any size into files of Parquet."""

from collections.abc import Mapping

from keras_xmodal.retrieval.corpus.embedders import fingerprint_of
from keras_xmodal.retrieval.corpus.work import do_work, make_work
from keras_xmodal.runs import raw
from keras_xmodal.runs.run import Run
from keras_xmodal.runs.table import FILES, known_columns

_NAMED = 10


def run(
    folder: str,
    table: str,
    output: str,
    modalities: Mapping[str, list[str]] | None = None,
    ids: str | None = None,
    delimiter: str = ",",
    shard_size: int = 4096,
    skip_broken: bool = False,
    quiet: bool = False,
) -> dict:
    """Embed a table with the model of a run folder, and go on after a stop.

    Args:
        folder: Run folder.
        table: Path of a CSV file, Parquet files or a folder, as
            `kx.retrieval.embed_corpus` takes it.
        output: Folder to write, or to go on with.
        modalities: Columns by modality. Defaults to those that the run was
            trained on; of a folder, to the kinds that it has.
        ids: Column of the ids.
        delimiter: What stands between two cells of a CSV file.
        shard_size: Integer, rows of a file.
        skip_broken: Whether rows that cannot be embedded are left out.
        quiet: Whether to leave the progress bar out.

    Returns:
        As `kx.retrieval.embed_corpus`.

    Raises:
        ValueError, TypeError, OSError, ImportError: As that does.
    """
    loaded = Run.load(folder)
    kinds = loaded.kinds

    def choose(header):
        of_kinds = {n: [kind] for n, kind in kinds.items() if kind in header}
        return _columns(known_columns(loaded, header) or of_kinds, kinds)

    wanted = _columns(modalities, kinds) if modalities else None
    work = make_work(
        None,
        table,
        output,
        wanted,
        ids,
        files=[
            name
            for name, kind in kinds.items()
            if kind in FILES and name in (wanted or kinds)
        ],
        delimiter=delimiter,
        shard_size=shard_size,
        skip_broken=skip_broken,
        embedder=RunEmbedder(loaded),
        choose=choose,
    )
    return do_work(work, verbose=not quiet)


def format_result(result: dict) -> str:
    """Format the result of `run` as lines of text.

    Args:
        result: Dict that `run` returns.

    Returns:
        A line of what was done, and one for each of the first rows left out.
    """
    rows = "unknown" if result["rows"] is None else result["rows"]
    lines = [
        f"{result['embedded']} rows embedded in {result['seconds']:.0f} s, of "
        f"{rows}, in {result['out']}/"
    ]
    if not result["complete"]:
        lines.append("not complete: another process is at the rest")
    left_out = result.get("left_out", [])
    lines += [
        f"left out: row {e['row']} (id {e['id']}): {e['error']}"
        for e in left_out[:_NAMED]
    ]
    if len(left_out) > _NAMED:
        lines.append(f"and {len(left_out) - _NAMED} more, see _corpus.json")
    return "\n".join(lines)


class RunEmbedder:
    """The model of a run, which takes all files that a query may be.

    Args:
        run: `Run`.
    """

    def __init__(self, run):
        self.model, self._kinds = run.model, run.kinds
        self.modalities = run.model.modalities
        self.fingerprint = fingerprint_of(run.model)

    def read(self, modality, path):
        """What a file becomes before it is embedded."""
        frames = raw.num_frames(self.model, modality)
        return raw.prepare(self._kinds[modality], path, num_frames=frames)

    def embed(self, modality, examples):
        """Embeddings of raw examples."""
        return raw.embed(self.model, modality, self._kinds[modality], examples)


def _columns(columns, kinds):
    return {
        name: names if kinds.get(name) == "numbers" else names[0]
        for name, names in columns.items()
    }
