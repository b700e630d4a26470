"""The house rules: floors, names, docstrings, registration, tests."""

import ast
import collections
import doctest
import importlib
import inspect
import pathlib
import re
import subprocess
import sys
import textwrap
import traceback

import keras
import pytest

import keras_xmodal as kx

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "keras_xmodal"
FLOORS = {
    "checks": -1,  # Below all, for `ops` checks arguments too.
    "types": -1,
    "_version": 0,
    "files": 0,
    "progress": 0,
    "reports": 0,
    "media": 1,
    "saving": 0,
    "ops": 0,
    "layers": 1,
    "likelihoods": 1,
    "adversarial": 1,
    "losses": 1,
    "metrics": 1,
    "objectives": 1,
    "networks": 2,
    "datasets": 2,
    "plots": 2,
    "models": 3,
    "export": 4,
    "retrieval": 4,
    "callbacks": 4,
    "serving": 4,
    "pipelines": 5,
    "recipes": 5,
    "runs": 6,
    "demo": 7,
    "play": 7,
}
SUBPACKAGES = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))
PUBLIC = {
    f"{name}.{symbol}": getattr(module, symbol)
    for name in SUBPACKAGES
    for module in [importlib.import_module(f"keras_xmodal.{name}")]
    for symbol in getattr(module, "__all__", ())
}
MODULES = {
    path: ast.parse(path.read_text())
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}


def check(offenders):
    """Pass without offenders, and name them all with one."""
    offenders = list(offenders)
    assert not offenders, "\n".join(["", *map(str, offenders)])


def nodes(kind):
    """Path and node of each node of a kind, in all modules."""
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, kind):
                yield path.relative_to(ROOT), node


def home(path):
    """Subpackage, or module beside them, of a file."""
    return path.parts[1].removesuffix(".py")


def imports():
    """Path and imported subpackage of this package, at any depth."""
    for path, node in nodes((ast.Import, ast.ImportFrom)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, _, rest = name.partition(".")
            if package == "keras_xmodal":
                yield path, rest.split(".")[0]


def is_base(obj):
    """A class that others of the package derive from and that does nothing."""
    return inspect.isclass(obj) and obj.__doc__.startswith("Base of ")


def file_of(obj):
    return pathlib.Path(inspect.getsourcefile(obj))


def text_of_tests(room):
    files = (ROOT / "tests" / room).rglob("test_*.py")
    return "\n".join(path.read_text() for path in files)


# Floors.


def test_only_the_file_tree_decides_what_a_floor_is():
    homes = {home(path.relative_to(ROOT)) for path in MODULES}
    assert homes == set(FLOORS)


def test_imports_point_down():
    check(
        f"{path} must not import {other}"
        for path, other in imports()
        if other != home(path)
        and not FLOORS.get(other, 99) < FLOORS[home(path)]
    )


# What errors of `checks` say: said elsewhere, a rule is written twice.
SHARED_RULES = re.compile(
    r"` must be (an integer|a (positive|non-negative|finite|Keras) |in [\[(]|"
    r"a string|a sequence of strings|a pair of positive|finite)"
)


def test_no_check_is_written_twice():
    raised = (
        (path, node)
        for path, node in nodes(ast.Raise)
        if home(path) != "checks"
    )
    check(
        f"{path}:{node.lineno}: use `keras_xmodal.checks`"
        for path, node in raised
        if SHARED_RULES.search(ast.unparse(node))
    )


def test_no_base_class_has_one_user():
    """A class is whole in its own file, or it is the base of several."""
    bases = collections.Counter(
        ast.unparse(base).rpartition(".")[2]
        for _, node in nodes(ast.ClassDef)
        for base in node.bases
    )
    public = {name.rpartition(".")[2] for name in PUBLIC}
    check(
        f"{path}: {node.name} has one subclass"
        for path, node in nodes(ast.ClassDef)
        if node.name not in public and bases[node.name] == 1
    )


def test_exports_know_no_model_by_name():
    models = set(importlib.import_module("keras_xmodal.models").__all__)
    check(
        f"{path}:{node.lineno}: {node.id}"
        for path, node in nodes(ast.Name)
        if home(path) == "export" and node.id in models
    )


# Public symbols.


def test_public_symbols_have_a_docstring():
    check(
        name
        for name, obj in PUBLIC.items()
        if not (obj.__doc__ and inspect.getdoc(obj))
    )


def test_public_symbols_show_an_example():
    check(
        name
        for name, obj in PUBLIC.items()
        if "Example:" not in inspect.getdoc(obj)
        and not inspect.isabstract(obj)
        and not is_base(obj)
    )


def documentation(obj):
    """Docstring, and those of the bases of this package, once for all."""
    bases = inspect.getmro(obj) if inspect.isclass(obj) else (obj,)
    return "\n".join(
        base.__doc__ or ""
        for base in bases
        if base.__module__.startswith("keras_xmodal")
    )


def test_every_parameter_is_documented():
    """By the symbol's docstring, or by that of a base of this package."""
    check(
        f"{name}: {parameter.name}"
        for name, obj in PUBLIC.items()
        for parameter in inspect.signature(obj).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        and not re.search(rf"\b{parameter.name}:", documentation(obj))
    )


def test_public_symbols_are_tested_in_their_room():
    """In a table of the family, or a file of their own."""
    texts = {room: text_of_tests(room) for room in FLOORS}
    check(
        name
        for name, obj in PUBLIC.items()
        if not is_base(obj)
        and not re.search(
            rf"\b{obj.__name__}\b",
            texts[file_of(obj).relative_to(PACKAGE).parts[0]],
        )
    )


def test_keras_objects_are_registered():
    saved = (
        keras.layers.Layer,
        keras.losses.Loss,
        keras.metrics.Metric,
        keras.constraints.Constraint,
    )
    check(
        name
        for name, obj in PUBLIC.items()
        if inspect.isclass(obj)
        and issubclass(obj, saved)
        and not is_base(obj)
        and keras.saving.get_registered_name(obj)
        != f"keras_xmodal>{obj.__name__}"
    )


def test_public_classes_live_in_the_file_of_their_name():
    check(
        name
        for name, obj in PUBLIC.items()
        if inspect.isclass(obj)
        and not obj.__name__.startswith("_")
        and file_of(obj).stem.replace("_", "") != obj.__name__.lower()
    )


def test_public_symbols_are_in_the_table_of_features():
    readme = (ROOT / "README.md").read_text()
    check(
        name
        for name in PUBLIC
        if not name.startswith("ops.")
        and not name.endswith(".get")
        and name.split(".")[1] not in readme
    )


# Rooms whose examples train or export models.
LONG_EXAMPLES = (
    "callbacks",
    "export",
    "models",
    "objectives",
    "pipelines",
    "play",
    "serving",
)


@pytest.mark.parametrize(
    "subpackage",
    [
        pytest.param(
            name, marks=[pytest.mark.large] if name in LONG_EXAMPLES else []
        )
        for name in SUBPACKAGES
    ],
)
def test_examples_of_the_docstrings_run(subpackage, tmp_path, monkeypatch):
    failures = []
    for name, obj in PUBLIC.items():
        if not name.startswith(f"{subpackage}."):
            continue
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        blocks = re.findall(
            r"```python\n(.*?)```", inspect.getdoc(obj), re.DOTALL
        )
        try:
            for block in map(textwrap.dedent, blocks):
                exec(compile(block, f"{name} example", "exec"), {})
        except Exception:
            failures.append(traceback.format_exc())
        prompts = doctest.DocTestParser().get_doctest(
            inspect.getdoc(obj), public_names(subpackage), name, None, 0
        )
        doctest.DocTestRunner().run(prompts, out=failures.append)
    check(failures)


def public_names(subpackage):
    """All that examples after `>>>` may use without an import."""
    return {
        name.rpartition(".")[2]: obj
        for name, obj in PUBLIC.items()
        if name.startswith(f"{subpackage}.")
    }


def test_models_are_at_the_top_level():
    assert kx.EmbeddingModel is kx.models.EmbeddingModel
    assert kx.CycleGANModel is kx.models.CycleGANModel
    assert kx.GANModel is kx.models.GANModel
    assert kx.VAEModel is kx.models.VAEModel


@pytest.mark.large
def test_importing_the_package_is_light():
    """What costs and what is optional is imported where it is used."""
    heavy = {
        "ai_edge_litert",
        "ai_edge_quantizer",
        "apache_beam",
        "av",
        "faiss",
        "fastapi",
        "gradio",
        "keras_hub",
        "matplotlib",
        "onnx",
        "onnxruntime",
        "pyarrow",
        "ray",
        "scipy.linalg",
        "scipy.ndimage",
        "scipy.optimize",
        "scipy.sparse",
        "scipy.special",
        "sklearn",
        "tensorflow_datasets",
        "tensorflow_probability",
        "tensorflow_serving",
        "tf2onnx",
        "tf_keras",
        "tqdm",
        "usearch",
    }
    # Keras imports these itself, where they are installed, and with them SciPy.
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['matplotlib', 'sklearn']"
        ")); import tensorflow, keras; before = set(sys.modules); "
        "import keras_xmodal; print(*(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    imported = result.stdout.split()
    assert "keras_xmodal" in imported
    assert not heavy & set(imported)


# Code.


def test_no_assert_in_the_library():
    check(f"{path}:{node.lineno}" for path, node in nodes(ast.Assert))


def test_no_print_in_the_library():
    check(
        f"{path}:{node.lineno}"
        for path, node in nodes(ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "print"
    )


def test_no_weight_is_int32():
    """TensorFlow keeps such on the CPU, where XLA on a GPU cannot read them."""
    check(
        f"{path}:{node.lineno}"
        for path, node in nodes(ast.Call)
        if "add_weight" in ast.unparse(node.func)
        and ("dtype", "'int32'")
        in [(k.arg, ast.unparse(k.value)) for k in node.keywords]
    )
