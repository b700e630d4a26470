"""The house rules: floors, names, docstrings, registration, tests."""

import ast
import importlib
import inspect
import pathlib
import re
import subprocess
import sys
import textwrap

import keras
import pytest

import keras_xmodal as kx

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "keras_xmodal"
FLOORS = {
    "_version": 0,
    "saving": 0,
    "ops": 0,
    "layers": 1,
    "likelihoods": 1,
    "losses": 1,
    "metrics": 1,
    "objectives": 1,
    "penalties": 1,
    "networks": 2,
    "datasets": 2,
    "models": 3,
    "export": 4,
    "retrieval": 4,
    "callbacks": 4,
    "cli": 5,
}
SUBPACKAGES = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))
PUBLIC = [
    (name, symbol)
    for name in SUBPACKAGES
    for symbol in importlib.import_module(f"keras_xmodal.{name}").__all__
]
each_public = pytest.mark.parametrize(("subpackage", "symbol"), PUBLIC)


def modules():
    return sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE)


def home(path):
    return path.relative_to(PACKAGE).parts[0]


def imports_of(path):
    """Subpackages of this package that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "keras_xmodal":
                yield parts[1]


@pytest.mark.parametrize(
    "path", modules(), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_point_down(path):
    own = home(path)
    assert own in FLOORS, f"{own} has no floor"
    for other in imports_of(path):
        assert other in FLOORS, f"{path}: import of {other}, which has no floor"
        below = FLOORS[other] < FLOORS[own]
        assert below or other == own, f"{own} must not import {other}"


def test_only_the_file_tree_decides_what_a_floor_is():
    assert set(SUBPACKAGES) | {"_version", "saving"} == set(FLOORS)


@each_public
def test_public_symbol_has_a_useful_docstring(subpackage, symbol):
    obj = getattr(importlib.import_module(f"keras_xmodal.{subpackage}"), symbol)
    doc = inspect.getdoc(obj)
    assert doc, f"{symbol} has no docstring"
    assert "Example:" in doc or inspect.isabstract(obj) or is_base(obj), (
        f"{symbol} shows no example"
    )
    signature = inspect.signature(obj)
    for name, parameter in signature.parameters.items():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            assert re.search(rf"\b{name}:", doc), f"{symbol}: {name}?"


def is_base(obj):
    """A class that others of the package derive from and that does nothing."""
    return inspect.isclass(obj) and obj.__doc__.startswith("Base of ")


@each_public
def test_public_symbol_has_a_test_file(subpackage, symbol):
    obj = getattr(importlib.import_module(f"keras_xmodal.{subpackage}"), symbol)
    file = pathlib.Path(inspect.getsourcefile(obj)).name
    if file.startswith("_") or is_base(obj):
        return
    assert (ROOT / "tests" / subpackage / f"test_{file}").exists()


@each_public
def test_keras_objects_are_registered(subpackage, symbol):
    obj = getattr(importlib.import_module(f"keras_xmodal.{subpackage}"), symbol)
    saved = (
        keras.layers.Layer,
        keras.losses.Loss,
        keras.metrics.Metric,
        keras.constraints.Constraint,
    )
    if inspect.isclass(obj) and issubclass(obj, saved) and not is_base(obj):
        name = keras.saving.get_registered_name(obj)
        assert name == f"keras_xmodal>{obj.__name__}"


@each_public
def test_public_class_lives_in_the_file_of_its_name(subpackage, symbol):
    obj = getattr(importlib.import_module(f"keras_xmodal.{subpackage}"), symbol)
    if inspect.isclass(obj) and not obj.__name__.startswith("_"):
        file = pathlib.Path(inspect.getsourcefile(obj)).stem
        assert file.replace("_", "") == obj.__name__.lower()


@each_public
def test_public_symbol_is_in_the_table_of_features(subpackage, symbol):
    if subpackage == "ops" or symbol == "get":
        return
    readme = (ROOT / "README.md").read_text()
    assert symbol in readme, f"README.md does not name {subpackage}.{symbol}"


@each_public
def test_example_of_the_docstring_runs(
    subpackage, symbol, tmp_path, monkeypatch
):
    obj = getattr(importlib.import_module(f"keras_xmodal.{subpackage}"), symbol)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```", inspect.getdoc(obj) or "", re.DOTALL
    )
    for block in map(textwrap.dedent, blocks):
        exec(compile(block, f"{symbol} example", "exec"), {})


def test_models_are_at_the_top_level():
    assert kx.EmbeddingModel is kx.models.EmbeddingModel
    assert kx.CycleGANModel is kx.models.CycleGANModel
    assert kx.GANModel is kx.models.GANModel
    assert kx.VAEModel is kx.models.VAEModel


def test_importing_the_package_is_light():
    """Optional packages are imported where they are used, not before."""
    heavy = {
        "tensorflow_datasets",
        "tensorflow_probability",
        "keras_hub",
        "matplotlib",  # Keras imports it itself, where it is installed.
        "ai_edge_litert",
    }
    code = (
        "import sys, tensorflow, keras; before = set(sys.modules); "
        "import keras_xmodal; print(*(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    imported = result.stdout.split()
    assert "keras_xmodal" in imported
    assert not heavy & set(imported)


def test_no_print_or_assert_in_the_library():
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), path
            is_print = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "print"
            )
            assert not is_print or home(path) == "cli", path


def test_no_weight_is_int32():
    """TensorFlow keeps such on the CPU, where XLA on a GPU cannot read them."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and "add_weight" in ast.unparse(
                node.func
            ):
                for keyword in node.keywords:
                    value = ast.unparse(keyword.value)
                    assert (keyword.arg, value) != ("dtype", "'int32'"), path
