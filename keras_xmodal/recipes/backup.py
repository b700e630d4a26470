"""A backup is of one call: what another is given may not go on from it."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_xmodal import files
from keras_xmodal.recipes.options import Options
from keras_xmodal.recipes.pairs import Pairs
from keras_xmodal.recipes.pretrained import Pretrained

_CALL = "call.json"
_OF_NO_EFFECT = ("backup", "verbose", "choices", "from_baseline")


def check_backup(options: Options, train: Pairs, validation: Pairs) -> None:
    """Check that the backup is of the same call, or begin one.

    Args:
        options: Of the recipe.
        train: All rows to learn from.
        validation: Rows of the validation.

    Raises:
        ValueError: If data or an argument was another when it began.
    """
    if options.backup is None:
        return
    if options.backup.exists() and not options.backup.is_dir():
        raise ValueError(
            "`backup_dir` must be a folder. Received: a file, "
            f"backup_dir={str(options.backup)!r}"
        )
    call = {
        field.name: _told(getattr(options, field.name))
        for field in dataclasses.fields(options)
        if field.name not in _OF_NO_EFFECT
    }
    call["train"], call["validation"] = _digest(train), _digest(validation)
    path = options.backup / _CALL
    if path.is_file():
        known = json.loads(path.read_text("utf-8"))
        others = [name for name in call if call[name] != known.get(name)]
        if others:
            raise ValueError(
                "`backup_dir` must be new, or of the same call: the same data "
                f"and arguments. Received: {str(options.backup)!r}, which was "
                f"begun with another {' and '.join(others)}"
            )
        return
    options.backup.mkdir(parents=True, exist_ok=True)
    files.write(path, json.dumps(call).encode())


def _told(value: Any) -> str:
    """An argument in words, the same in each process."""
    if isinstance(value, Mapping):
        return str({name: _told(value[name]) for name in sorted(value)})
    if isinstance(value, Pretrained):
        value = value.name
    elif hasattr(value, "get_config"):
        value = f"{type(value).__name__} {value.get_config()}"
    # Keras counts the names of layers, and Python tells where an object lies.
    return re.sub(r"_\d+(?=')|_\d+$|0x\w+", "", str(value))


def _digest(pairs):
    digest = hashlib.blake2b(digest_size=16)
    for name, values in pairs.x.items():
        digest.update(f"{name} {pairs.kinds[name]} {len(values)}".encode())
        digest.update(pairs.there[name].tobytes())
        for value in values if values.dtype == object else [values]:
            if isinstance(value, np.ndarray) and value.dtype != object:
                digest.update(np.ascontiguousarray(value))
            else:
                digest.update(repr(value).encode())
    digest.update(np.ascontiguousarray(pairs.ids))
    return digest.hexdigest()
