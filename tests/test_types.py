"""Public signatures have types, and the package says so."""

import importlib
import inspect
import pathlib

import keras_xmodal as kx

FUNCTIONS = ("datasets", "export", "metrics", "ops", "retrieval")
# Of Keras objects, what a user passes to the constructor.
CONSTRUCTORS = (
    "adversarial",
    "callbacks",
    "layers",
    "likelihoods",
    "losses",
    "networks",
    "objectives",
)


def public_functions():
    for room in FUNCTIONS + CONSTRUCTORS:
        module = importlib.import_module(f"keras_xmodal.{room}")
        for name in module.__all__:
            symbol = getattr(module, name)
            if inspect.isfunction(symbol) and room in FUNCTIONS:
                yield f"{room}.{name}", symbol
            for member, function in vars(symbol).items():
                if isinstance(function, classmethod | staticmethod):
                    function = function.__func__
                public = room == "retrieval" and not member.startswith("_")
                if inspect.isfunction(function) and (
                    member == "__init__" or public
                ):
                    yield f"{room}.{name}.{member}", function


def test_public_functions_have_types():
    missing = []
    for name, function in public_functions():
        signature = inspect.signature(function)
        missing += [
            f"{name}({parameter.name})"
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty
            and parameter.name not in ("self", "cls")
            and parameter.kind is not parameter.VAR_KEYWORD
        ]
        if not name.endswith("__init__"):
            given = signature.return_annotation is not signature.empty
            missing += [] if given else [f"{name} ->"]
    assert not missing


def test_package_says_that_it_has_types():
    assert (pathlib.Path(kx.__file__).parent / "py.typed").exists()
