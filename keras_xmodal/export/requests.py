"""Requests to a server in Markdown, for each signature."""

import json

FILE = "requests.md"
_SUFFIXES = {"picture": "png", "clip": "gif", "recording": "wav"}
_CONTENTS = {
    "picture": ", the content of a picture file",
    "clip": ", the content of a GIF file",
    "recording": ", the content of a WAV file",
    "text": ", a text in UTF-8",
}
_INLINE = 32  # numbers that a request shows in full
_FILE = "FILE"  # stands for the base64 of a file
_URL = "http://localhost:8501"


def write_requests(folder, name, version, signatures, examples):
    """Write how to ask for each signature, beside a SavedModel."""
    parts = [f"## Model `{name}`, version {version}"]
    for key, signature in signatures.items():
        parts += [
            f"### `{key}`",
            _table(signature, examples[key]),
            *_unbatched(signature),
            f"```bash\n{_curl(name, key, examples[key])}\n```",
            f"```python\n{_python(name, key, signature, examples[key])}\n```",
        ]
    text = "\n\n".join(parts) + "\n"
    (folder / "assets.extra" / FILE).write_text(text, "utf-8")


def _table(signature, examples):
    rows = ["| | name | shape | dtype |", "|---|---|---|---|"]
    for name, spec in signature.structured_input_signature[1].items():
        kind = spec.dtype.name + _CONTENTS.get(examples[name].holds, "")
        rows.append(f"| input | `{name}` | {_shape(spec)} | {kind} |")
    rows += [
        f"| output | `{name}` | {_shape(spec)} | {spec.dtype.name} |"
        for name, spec in sorted(signature.structured_outputs.items())
    ]
    return "\n".join(rows)


def _shape(spec):
    sizes = ["open" if size is None else str(size) for size in spec.shape]
    if sizes and spec.shape[0] is None:
        sizes[0] = "batch"
    return f"`({', '.join(sizes)}{',' * (len(sizes) == 1)})`"


def _unbatched(signature):
    """A warning, where a server with `--enable_batching` cannot batch."""
    specs = [
        *signature.structured_input_signature[1].values(),
        *signature.structured_outputs.values(),
    ]
    if all(spec.shape.rank and spec.shape[0] is None for spec in specs):
        return []
    return [
        "Not every input and output has a batch: a server with "
        "`--enable_batching` refuses this signature."
    ]


def _curl(name, key, examples):
    url = f"{_URL}/v1/models/{name}:predict"
    if any(_is_large(example) for example in examples.values()):
        values = ", ".join(
            f'"{name}": {_nested(example)}'
            for name, example in examples.items()
        )
        return (
            "python3 -c 'import json; print(json.dumps("
            f'{{"signature_name": "{key}", "inputs": {{{values}}}}}))\' \\\n'
            f"    | curl --data @- {url}"
        )
    inputs = {name: _json(example) for name, example in examples.items()}
    body = json.dumps({"signature_name": key, "inputs": inputs})
    for name, example in examples.items():
        if example.holds in _SUFFIXES:
            before, after = body.split(f'"{_FILE}"', 1)
            return (
                f"(printf '{before}\"'; base64 < {_file(name, example)} "
                f"| tr -d '\\n'; printf '\"{after}') \\\n"
                f"    | curl --data @- {url}"
            )
    return f"curl --data '{body}' {url}"


def _is_large(example):
    count = 1
    for size in example.shape or ():
        count *= size
    return count > _INLINE


def _nested(example):
    """A Python expression for one row, as nested lists."""
    value = repr(example.value)
    for size in reversed((1, *example.shape)):
        value = f"[{value}] * {size}" if size > 1 else f"[{value}]"
    return value


def _json(example):
    """One row, as REST takes it."""
    value = example.value
    if example.holds in _SUFFIXES:
        value = {"b64": _FILE}
    elif isinstance(value, bytes):
        value = value.decode()
    if example.shape is None:
        return value
    for size in reversed((1, *example.shape)):
        value = [value] * size
    return value


def _python(name, key, signature, examples):
    standard, further, lines = set(), set(), []
    for input_name, example in examples.items():
        if example.holds in _SUFFIXES:
            standard.add("import pathlib")
            file = _file(input_name, example)
            value = f'[pathlib.Path("{file}").read_bytes()]'
        elif example.shape is None:
            value = repr(example.value)
        elif example.holds:
            value = json.dumps(_json(example))
        else:
            further.add("import numpy as np")
            shape = (1, *example.shape)
            value = f'np.full({shape}, {example.value}, "{example.dtype.name}")'
        lines.append(f'        "{input_name}": {value},')
    imports = [*standard, *([""] if standard else []), *further]
    imports.append("import keras_xmodal as kx")
    outputs = sorted(signature.structured_outputs)
    return "\n".join(
        [
            *imports,
            "",
            f'with kx.serving.Client("{_URL}", "{name}") as client:',
            "    outputs = client.predict(",
            "        {",
            *(f"    {line}" for line in lines),
            "        },",
            f'        "{key}",',
            "    )",
            *(f'print(outputs["{output}"].shape)' for output in outputs),
        ]
    )


def _file(name, example):
    return f"{name}.{_SUFFIXES[example.holds]}"
