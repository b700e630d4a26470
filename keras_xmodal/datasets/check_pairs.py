"""What is wrong with a user's own pairs, before a training."""

import os
from collections.abc import Callable, Mapping, Sequence

from keras_xmodal import checks
from keras_xmodal.datasets import csv_rows
from keras_xmodal.datasets.folder_rows import OTHERS, TEXT, read_folder
from keras_xmodal.datasets.pair_findings import PairFindings
from keras_xmodal.datasets.pairs import PairArguments
from keras_xmodal.datasets.pairs_report import PairsReport


def check_pairs(
    path: str | os.PathLike,
    modalities: Mapping[str, str | Sequence[str]] | None = None,
    ids: str | None = None,
    *,
    delimiter: str = ",",
    root: str | os.PathLike | None = None,
    split: str | None = None,
    group: str | None = None,
    longest: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> PairsReport:
    """Check pairs of a CSV file or a folder: count what is wrong, and name it.

    Each file is read and decoded once, in parallel. `from_csv` stops at the
    first row that is wrong; this goes on, and says which rows to leave out.

    A column is one of files if most of its cells name files that exist, or
    have the suffix of one. A list of columns holds numbers, a list of one
    column only if most of its cells are; else it is a text.

    | finding | rows left out |
    |---|---|
    | a file is missing, broken, over 1 GiB, of another kind than most | yes |
    | clips that are no GIF files, which no preprocessor reads | yes |
    | a cell is no number, or only some cells of a vector are filled | yes |
    | an empty cell of `ids`, `split` or `group` | yes |
    | a row is there twice | all but the first |
    | a file is there under two names | all but those of the first name |
    | a recording is longer than `longest` | yes |
    | an item has one modality alone | yes |
    | other empty cells, which become `sample_weight` 0 | no |

    Args:
        path: Path of a CSV file, or of a folder as `from_folder` reads it.
        modalities: Dict `{modality: column or list of columns}`; of a folder,
            `{modality: kind}` or None.
        ids: Column that says which item a row shows, or None.
        delimiter: What stands between two cells of the CSV file.
        root: Folder that all files must lie in, or None for any.
        split: Column that names the part of each row, or None.
        group: Column of what must not be in two parts, or None.
        longest: Float, the longest recording in seconds, beyond which
            `SpeechPreprocessor` would cut it, or None.
        progress: Function of the number of files that were read, and of all
            files, called after each, or None.

    Returns:
        A dict, which `print` shows with one line for a finding: `"path"`;
        `"rows"`, `"items"`; `"modalities"`, of each its `"kind"` as `kind_of`
        says it, `"columns"`, whether it is `"files"`, how many rows have it
        (`"values"`), how many are `"different"`, and what sizes they have
        (`"height"`, `"width"`, `"seconds"`, `"words"`: smallest, median,
        largest); `"findings"`, a list of dicts of `"problem"`, `"rows"` (their
        numbers), `"example"` and `"left_out"`; and `"skip"`, the numbers of all
        rows to leave out. Its method `arguments()` gives what `from_csv` or
        `from_folder` takes. `report.skip` is `report["skip"]`.

    Raises:
        TypeError: If an argument has the wrong type.
        FileNotFoundError: If there is no such file or folder.
        ValueError: If there are less than two modalities, a column is
            missing, the encoding or the delimiter is another one, rows have
            different lengths, less than two rows are left, or all values of a
            modality are equal.

    Example:
        ```python
        import pathlib
        import keras_xmodal as kx

        pathlib.Path("pairs.csv").write_text(
            "sound,caption\\na.wav,low\\nb.wav,high\\nno.wav,loud\\n"
        )
        kx.datasets.write_wav("a.wav", [0.0, 0.5, 0.0, -0.5], 8000)
        kx.datasets.write_wav("b.wav", [0.5, -0.5, 0.5, -0.5], 8000)
        report = kx.datasets.check_pairs(
            "pairs.csv", {"speech": "sound", "text": "caption"}
        )
        print(report)
        data = kx.datasets.from_csv("pairs.csv", **report.arguments())
        print(len(data))  # 2
        ```
    """
    path = str(checks.path("path", path))
    longest = checks.positive("longest", longest, optional=True)
    is_folder = os.path.isdir(path)
    if is_folder:
        checks.left_out("A folder has no columns", ids=ids, split=split)
        table, by_class = read_folder(path)
        kinds = [name for name in table.columns if name not in OTHERS]
        if modalities is None:
            modalities = dict(zip(kinds, kinds, strict=True))
        ids = TEXT if by_class else "name"
    arguments = PairArguments(modalities, ids, (), group, root, split=split)
    if len(arguments.modalities) < 2:
        raise ValueError(
            "`modalities` must name two modalities at least. "
            f"Received: modalities={modalities!r}"
        )
    if is_folder:
        for column in arguments.columns:
            checks.one_of("modalities", column, tuple(table.columns))
        given = {"group": group}
    else:
        table = csv_rows.read_table(path, arguments.columns, delimiter)
        given = {"ids": ids, "split": split, "group": group, "root": root}
        given["delimiter"] = delimiter
    findings = PairFindings(table, arguments)
    findings.check_cells()
    findings.check_files(longest, progress)
    findings.check_items()
    findings.check_rest()
    given |= findings.arguments(with_files=not is_folder)
    return PairsReport(
        findings.content(),
        {name: value for name, value in given.items() if value is not None},
    )
