"""What a training that is not at its end has left beside its run folder."""

import pathlib

ARGUMENTS = "arguments.json"
_SUFFIX = ".training"


def work_folder(output: pathlib.Path) -> pathlib.Path:
    """The folder that a training goes on from, beside its run folder."""
    return output.with_name(f"{output.name}{_SUFFIX}")


def unfinished(path: pathlib.Path) -> pathlib.Path | None:
    """The run folder that such a folder, or one beside a path, is to become."""
    name = path.name.removesuffix(_SUFFIX)
    if name in ("", ".."):
        return None
    output = path.with_name(name)
    return output if (work_folder(output) / ARGUMENTS).is_file() else None
