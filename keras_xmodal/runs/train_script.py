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
    generator: str | None = None,
) -> str:
    """Write the script that trains the same model.

    Args:
        reader: `"from_csv"` or `"from_folder"`.
        data: Arguments of the reader, `path` the first of them.
        parts: Names of the parts by what they are for, `"train"`,
            `"validation"` and perhaps `"test"`; empty where shares are drawn.
        options: Arguments of `kx.recipes.embedding`.
        epochs: Those of `fit`, or None.
        generator: Name of the recipe of a generator, or None.

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
        *_recipe("recipe", "embedding", "model.keras", parts, options, epochs),
    ]
    if generator is not None:
        known = {name: options[name] for name in ("kinds", "seed")}
        file = "generator.keras"
        lines += _recipe("generator", generator, file, parts, known, epochs)
    return "\n".join(lines) + "\n"


def _recipe(variable, name, file, parts, options, epochs):
    """Lines that make a recipe, train, measure and save its model."""
    lines = [
        f"{variable} = kx.recipes.{name}(",
        f"    {_part('train', parts)},",
        f"    {_part('validation', parts)},",
        *_arguments(options),
        ")",
        f"print({variable}.plan)",
        f"{variable}.fit({'' if epochs is None else epochs})",
        f"print({variable}.evaluate())",
    ]
    if "test" in parts:
        lines.append(f"print({variable}.evaluate({_part('test', parts)}))")
    return [*lines, f'{variable}.model.save("{file}")']


def _arguments(values):
    return [
        f"    {value!r}," if name == "path" else f"    {name}={value!r},"
        for name, value in values.items()
    ]


def _part(name, parts):
    return f"parts[{parts[name]!r}]" if parts else name
