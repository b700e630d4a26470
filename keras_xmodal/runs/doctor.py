"""`keras-xmodal doctor`: what is installed, and what is missing for what.

It imports nothing of this package, so that it answers where TensorFlow does
not load; the command loads it by its path.
"""

import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys

_PACKAGE = "keras-xmodal"
_CORE = ("tensorflow", "keras", "numpy", "ai-edge-litert", "pillow")
# What each extra is for, as its users call it.
PURPOSES = {
    "tfds": "TensorFlow Datasets: `from_tfds` and the builders",
    "tensorboard": "logs, pictures and embeddings in TensorBoard",
    "vae": "`VAEModel.fit_sampler`",
    "distributions": "`Likelihood.distribution`",
    "video": "clips of MP4 and WebM files",
    "quantization": "exports in 8 bits",
    "onnx": "`export --format onnx`",
    "parquet": "`keras-xmodal embed`, `embed_corpus`, `ExactIndex.to_parquet`",
    "ray": "`kx.pipelines.embed_with_ray`",
    "beam": "`kx.pipelines.embed_with_beam`, and models in Beam",
    "faiss": "`kx.retrieval.FaissIndex`",
    "usearch": "`kx.retrieval.UsearchIndex`",
    "hub": "pretrained towers of KerasHub",
    "serving": "`export --format serving`, and the client by gRPC",
    "kserve": "an exported model in KServe",
    "play": "`keras-xmodal play`, the page to play in",
    "tutorials": "the notebooks",
}
_GATHERED = ("all", "test")
_IMPORT = """
import json, os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf, keras, keras_xmodal
print(json.dumps([
    [d.device_type, (tf.config.experimental.get_device_details(d) or {}).get(
        "device_name", d.name)] for d in tf.config.list_physical_devices()]))
"""
_TOOLS = {
    "npm": "`export --format web`, unless LiteRT.js is there, and `fetch`",
    "apt-get": "`fetch` of data in Debian packages",
}


def run() -> dict:
    """Look at versions, devices, extras and tools.

    Returns:
        Dict of `python`, `platform`, `packages` (versions, None where one is
        missing), `devices` (pairs of type and name), `error` (why the package
        does not load, or None), `extras` (by name, what it is `for` and
        which packages are `missing`), and `tools`.
    """
    devices, error = _devices()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {n: _version(n) for n in (_PACKAGE, *_CORE)},
        "devices": devices,
        "error": error,
        "extras": _extras(),
        "tools": {
            name: {"for": purpose, "path": shutil.which(name)}
            for name, purpose in _TOOLS.items()
        },
    }


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices():
    """Devices that TensorFlow has, or why it does not load; apart from here.

    A broken installation may end the process.
    """
    found = subprocess.run(
        [sys.executable, "-c", _IMPORT], capture_output=True, text=True
    )
    if found.returncode == 0:
        return json.loads(found.stdout.splitlines()[-1]), None
    lines = found.stderr.strip().splitlines()
    said = [
        line for line in lines if re.match(r"[\w.]+(Error|Exception):", line)
    ]
    reasons = [f"exit code {found.returncode}", *lines[-1:], *said[-1:]]
    return [], reasons[-1]


def _extras():
    extras = {}
    try:
        requirements = importlib.metadata.requires(_PACKAGE) or ()
    except importlib.metadata.PackageNotFoundError:
        requirements = ()
    for requirement in requirements:
        wanted, _, marker = requirement.partition(";")
        found = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        if not found or found[1] in _GATHERED:
            continue
        name = re.match(r"[\w.-]+", wanted.strip())[0]  # type: ignore[index]
        extra = extras.setdefault(
            found[1],
            {"for": PURPOSES.get(found[1], ""), "missing": [], "wrong": []},
        )
        version = _version(name)
        if version is None:
            extra["missing"].append(name)
        elif not _fits(wanted, version):
            extra["wrong"].append(f"{wanted.strip()} (is {version})")
    return extras


def _fits(wanted, version):
    """Whether a version is one that is wanted, as far as can be told."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return True
    return Requirement(wanted).specifier.contains(version, prereleases=True)


def format_result(result: dict) -> str:
    """Format the result of `run` as a table.

    Args:
        result: Dict that `run` returns.

    Returns:
        Lines of text.
    """
    lines = [f"{'python':<20} {result['python']}, {result['platform']}"]
    lines += [
        f"{name:<20} {version or 'missing'}"
        for name, version in result["packages"].items()
    ]
    if result["error"] is not None:
        lines.append(f"{'does not load':<20} {result['error']}")
    lines += [
        f"{'device':<20} {kind} {name}" for kind, name in result["devices"]
    ]
    for name, extra in result["extras"].items():
        what = extra["missing"] + extra["wrong"]
        state = "ready"
        if what:
            state = f"missing {', '.join(what)}: pip install "
            state += f"'{_PACKAGE}[{name}]'"
        lines.append(f"{'extra ' + name:<20} {state}; for {extra['for']}")
    for name, tool in result["tools"].items():
        state = tool["path"] or "missing"
        lines.append(f"{'tool ' + name:<20} {state}; for {tool['for']}")
    return "\n".join(lines)
