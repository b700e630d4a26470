"""What a visitor types and drops, as raw examples of a run's modalities."""

import pathlib

MAX_BYTES = 20 * 2**20  # of a file
_TAKEN = {
    "text": "words",
    "image": "a picture",
    "speech": "a recording (WAV)",
    "video": "a clip",
}


def read_queries(run, text, files=()):
    """Read words and files as raw examples.

    Args:
        run: `kx.runs.Run`.
        text: What was typed.
        files: Paths of what was dropped.

    Returns:
        Dict `{modality: example}`.

    Raises:
        ValueError: If the run does not take one of them, there are two of a
            modality, or one is broken.
        OSError: If a file is gone.
    """
    text = (text or "").strip()
    read = [_read_text(run, text)] if text else []
    read += [_read_file(run, pathlib.Path(file)) for file in files]
    queries = {}
    for query in read:
        for modality in queries.keys() & query.keys():
            raise ValueError(
                "The queries must be of different modalities. Received: two "
                f"of {modality}"
            )
        queries |= query
    return queries


def takes(run):
    """What a visitor can give, in words, by modality."""
    found = {}
    for modality, kind in run.kinds.items():
        found[modality] = _TAKEN.get(kind, "numbers")
        columns = _columns(run, modality)
        if kind == "numbers" and columns:
            named = ", ".join(columns)
            found[modality] = f"{len(columns)} numbers ({named})"
    return found


def _columns(run, modality):
    told = run.report.get("modalities", {}).get(modality, {})
    return told.get("columns", [])


def _read_text(run, text):
    # By its modality: without one, it might be read as the path of a file.
    numbers = _to_numbers(text)
    for modality, kind in run.kinds.items():
        expected = len(_columns(run, modality)) or len(numbers)
        if kind == "numbers" and numbers and len(numbers) == expected:
            return run.read({modality: numbers})
    for modality, kind in run.kinds.items():
        if kind == "text":
            return run.read({modality: text})
    raise ValueError(
        f"The query must be {' or '.join(takes(run).values())}. "
        f"Received: {text[:200]!r}"
    )


def _to_numbers(text):
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        return []


def _read_file(run, path):
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise ValueError(
            f"A file must hold at least 1 byte and at most {MAX_BYTES >> 20} "
            f"MB. Received: {path.name} of {size:,} bytes"
        )
    try:
        return run.read(path)
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from error
