"""Model cards, in the format of the Hugging Face Hub."""

import string

_NAMES = {
    "saved_model": "a SavedModel",
    "serving": "a SavedModel for TensorFlow Serving",
    "litert": "LiteRT files",
    "onnx": "ONNX files",
    "web": "a web page",
}
_TAGS = {"litert": ["tflite"], "onnx": ["onnx"], "web": ["tflite"]}
_TASKS = {"EmbeddingModel": "feature-extraction"}
_PAGE = string.Template("""\
---
library_name: keras
${task}tags:
$tags
---

# $title

$what, exported by keras_xmodal $version.
Each signature was loaded again, run, and compared with Keras.

| files | $bytes |
|---|---|
$facts

## Signatures

$endpoints

Errors are the largest absolute ones against Keras, on made-up inputs or an
evaluation set. Latencies are medians of calls where the export was made, of
$num_cpus CPU cores, after a first call.
$quality
## Use

```$language
$example
```
""")


def model_card(report):
    """Markdown of a report."""
    name = _NAMES.get(report["format"], report["format"])
    tags = ["keras-xmodal", report["format"], *_TAGS.get(report["format"], [])]
    task = _TASKS.get(report["model"])
    modalities = report["modalities"]
    what = f"`{report['model']}`"
    if modalities:
        what += f" of {_and(modalities)}"
    return _PAGE.substitute(
        task=f"pipeline_tag: {task}\n" if task else "",
        tags="\n".join(f"- {tag}" for tag in dict.fromkeys(tags)),
        title=f"{report['model']} as {name}",
        what=what,
        version=report["keras_xmodal"],
        bytes=_megabytes(report["bytes"]),
        facts="\n".join(_facts(report)),
        endpoints=_endpoints(report["endpoints"]),
        num_cpus=report["num_cpus"],
        quality=_quality(report),
        language="bash" if report["format"] == "web" else "python",
        example=_example(report),
    )


def _and(names):
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _megabytes(size):
    return f"{size / 1e6:.1f} MB"


def _facts(report):
    rows = {
        "weights": report.get("quantization", ""),
        "written by TensorFlow": report.get("tensorflow", ""),
        "read by TensorFlow Serving": report.get("tensorflow_serving", ""),
        "opset": report.get("opset", ""),
        "search": ", ".join(
            f"{count:,} rows of {name}"
            for name, count in report.get("search", {}).get("rows", {}).items()
        ),
    }
    if report["format"] in ("litert", "web"):
        rows["weights"] = report.get("quantization") or "float32"
    return [f"| {key} | {value} |" for key, value in rows.items() if value]


def _endpoints(endpoints):
    lines = [
        "| signature | input | error | cosine | batch 1 | batch 32 |",
        "|---|---|---|---|---|---|",
    ]
    for name, fact in endpoints.items():
        inputs = ", ".join(map(_input, fact["inputs"]))
        cosine = fact.get("min_cosine")
        cells = [
            f"`{name}`",
            inputs,
            f"{fact['max_abs_error']:.1e}",
            "" if cosine is None else f"{cosine:.5f}",
            *(f"{fact['latency_ms'][size]:.2f} ms" for size in ("1", "32")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _input(described):
    sizes = [
        "open" if size is None else str(size) for size in described["shape"]
    ]
    if described["shape"][:1] == [None]:
        sizes[0] = "batch"
    shape = ", ".join(sizes)
    kind = described.get("holds", described["dtype"])
    return f"`{described['name']}`: {kind} ({shape})"


def _quality(report):
    if "retrieval" not in report:
        return ""
    lines = [
        "",
        "## Quality",
        "",
        "| | R@1 / R@5 / R@10 in Keras | here | chance R@1 | candidates |",
        "|---|---|---|---|---|",
    ]
    for direction, found in report["retrieval"].items():
        before, after = (
            " / ".join(f"{found[when][f'R@{k}']:.3f}" for k in (1, 5, 10))
            for when in ("before", "after")
        )
        chance = found["after"]["chance_R@1"]
        count = found["after"]["num_candidates"]
        lines.append(
            f"| {direction.replace('_', ' ')} | {before} | {after} | "
            f"{chance:.4f} | {count} |"
        )
    return "\n".join([*lines, ""])


def _example(report):
    if report["format"] == "web":
        return "python -m http.server --directory FOLDER"
    endpoints = report["endpoints"].items()
    raw = [e for e in endpoints if any("holds" in i for i in e[1]["inputs"])]
    name, fact = next(iter([*raw, *endpoints]))
    inputs = ", ".join(f"{i['name']}={i['name']}" for i in fact["inputs"])
    if report["format"] in ("saved_model", "serving"):
        return (
            "import tensorflow as tf\n\n"
            'model = tf.saved_model.load("FOLDER")\n'
            f'outputs = model.signatures["{name}"]({inputs})'
        )
    if report["format"] == "onnx":
        fed = ", ".join(f'"{i["name"]}": {i["name"]}' for i in fact["inputs"])
        return (
            "import onnxruntime\n\n"
            f'session = onnxruntime.InferenceSession("{fact["file"]}")\n'
            f"outputs = session.run(None, {{{fed}}})"
        )
    return (
        "from ai_edge_litert.interpreter import Interpreter\n\n"
        f'interpreter = Interpreter("{fact["file"]}")\n'
        f'run = interpreter.get_signature_runner("{name}")\n'
        f"outputs = run({inputs})"
    )
