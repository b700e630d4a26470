"""`keras-xmodal search`: ask a run folder."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from keras_xmodal.runs.run import Run

_MOST_CAPTIONS = 3
_MOST_BYTES = 2**20  # of a line
_ERRORS = (ValueError, TypeError, OSError, ImportError, RuntimeError)


def run(
    folder: str, queries: list[str], k: int = 5, modality: str | None = None
) -> dict:
    """Search with words, pictures, recordings or clips.

    Args:
        folder: Run folder.
        queries: Texts, or paths of files.
        k: Integer, number of hits.
        modality: Modality to find. Defaults to that of `Run.search`.

    Returns:
        Dict of `query`, `modality` (of the query) and `hits`, as `Run.search`
        returns them; of several queries, such dicts in `answers`.

    Raises:
        ValueError, TypeError, OSError: As `Run.load` and `Run.search`.
    """
    loaded = Run.load(folder)
    answers = [_answer(loaded, query, k, modality) for query in queries]
    return answers[0] if len(answers) == 1 else {"answers": answers}


def stream(
    folder: str, lines: BinaryIO, k: int = 5, modality: str | None = None
) -> Iterator[dict]:
    """Answer queries as they come, each a line of JSON.

    Args:
        folder: Run folder.
        lines: Binary file of lines: a string, which is a query as in `run`; or
            a dict `{modality: text, path or numbers}`, where the name of a
            kind, such as `"image"`, is that of the one modality of this kind.
        k: Integer, number of hits.
        modality: Modality to find. Defaults to that of `Run.search`.

    Yields:
        Dict as `run` returns for each query; with `error` in place of `hits`
        where there is one.

    Raises:
        ValueError, TypeError, OSError: As `Run.load`.
    """
    loaded = Run.load(folder)
    loaded.warm_up()
    for number, line in enumerate(_lines(lines), 1):
        if not line.strip():
            continue
        query = None
        try:
            query = _read_line(line, number)
            yield _answer(loaded, _named(loaded, query), k, modality, query)
        except _ERRORS as error:
            yield {"query": query, "error": str(error)}


def _answer(loaded, query, k, modality, shown=None):
    examples = loaded.read(query)
    return {
        "query": query if shown is None else shown,
        "modality": "+".join(examples),
        "hits": loaded.find(examples, k, modality),
    }


def _lines(file):
    """Lines of at most 1 MiB; of longer ones the beginning, and one byte."""
    while line := file.readline(_MOST_BYTES + 1):
        rest = line
        while len(rest) > _MOST_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(_MOST_BYTES + 1)
        yield line


def _read_line(line, number):
    if len(line) > _MOST_BYTES:
        raise ValueError(
            f"A line must have at most {_MOST_BYTES} bytes. "
            f"Received: more in line {number}"
        )
    try:
        query = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            "A line must be JSON in UTF-8: a string, or an object of a text, "
            f"a path or numbers by modality. Received: line {number}, {error}"
        ) from error
    if not isinstance(query, (str, dict)):
        raise TypeError(
            "A line must be a string, or an object of a text, a path or "
            f"numbers by modality. Received: line {number}, {query!r}"
        )
    return query


def _named(loaded, query: Any):
    """A query by modality, where it is one by kind."""
    if not isinstance(query, dict):
        return query
    named = {}
    for name, value in query.items():
        called = [m for m, kind in loaded.kinds.items() if kind == name]
        known = name in loaded.kinds or len(called) != 1
        named[name if known else called[0]] = value
    return named


def format_hits(result: dict) -> str:
    """Format the result of `run` as lines of text.

    Args:
        result: Dict that `run` returns.

    Returns:
        One line a hit, best first: its score and id, and captions that this
        does not say; of several queries, each one before its hits.
    """
    if "answers" not in result:
        return "\n".join(map(_format_hit, result["hits"]))
    blocks = [
        "\n".join([f"{answer['query']}:", *map(_format_hit, answer["hits"])])
        for answer in result["answers"]
    ]
    return "\n\n".join(blocks)


def _format_hit(hit):
    captions = [c for c in hit["captions"] if c not in hit["id"]]
    line = f"{hit['score']:6.3f}  {hit['id']}"
    if captions:
        line += "  " + " | ".join(captions[:_MOST_CAPTIONS])
        line += " | ..." if len(captions) > _MOST_CAPTIONS else ""
    return line
