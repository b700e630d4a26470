"""What `keras-xmodal train` did, as a script of Keras."""

from collections.abc import Mapping
from typing import Any

SCRIPT = "train.py"


def train_script(
    reader: str,
    data: Mapping[str, Any],
    parts: Mapping[str, str],
    options: Mapping[str, Any],
    epochs: int | None,
) -> str:
    """Write the script that trains the same model.

    Args:
        reader: `"from_csv"` or `"from_folder"`.
        data: Arguments of the reader, `path` the first of them.
        parts: Names of the parts by what they are for, `"train"`,
            `"validation"` and perhaps `"test"`; empty where shares are drawn.
        options: Arguments of `kx.recipes.embedding`.
        epochs: Those of `fit`, or None.

    Returns:
        Python code.
    """
    lines = [
        '"""What `keras-xmodal train` did."""',
        "",
        "import keras_xmodal as kx",
        "",
        f"{'parts' if parts else 'train, validation'} = kx.datasets.{reader}(",
        *_arguments(data),
        ")",
        "recipe = kx.recipes.embedding(",
        f"    {_part('train', parts)},",
        f"    {_part('validation', parts)},",
        *_arguments(options),
        ")",
        "print(recipe.plan)",
        f"recipe.fit({'' if epochs is None else epochs})",
        "print(recipe.evaluate())",
    ]
    if "test" in parts:
        lines.append(f"print(recipe.evaluate({_part('test', parts)}))")
    lines.append('recipe.model.save("model.keras")')
    return "\n".join(lines) + "\n"


def _arguments(values):
    return [
        f"    {value!r}," if name == "path" else f"    {name}={value!r},"
        for name, value in values.items()
    ]


def _part(name, parts):
    return f"parts[{parts[name]!r}]" if parts else name
