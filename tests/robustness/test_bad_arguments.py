"""Bad arguments of all public names: refused in words, and no NaN comes out."""

import collections
import contextlib
import io
import os
import pathlib
import sys
import warnings

import keras
import numpy as np
import pytest

from tests.robustness.public_calls import CALLS, ELSEWHERE, calls, public_names

pytestmark = pytest.mark.large

# In how many places of the table a value is put; all with KX_ROBUSTNESS=all.
NUM_CASES = 1500
# Functions of tensors hand a NaN on, as Keras' and NumPy's do.
OF_TENSORS = ("ops.", "layers.", "losses.", "adversarial.", "likelihoods.")
# With numbers whose squares float32 does not hold, a training may diverge.
OF_TRAINING = (".fit", ".train_on_batch")
# Of our errors, and of Keras' and Python's for arguments that we hand on.
CLEAR_WORDS = (
    "received",
    "unexpected keyword",
    "only input tensors may",
    "could not interpret",
)
# Arguments of Keras' own constructors, which checks them.
OF_KERAS = (
    "name",
    "dtype",
    "reduction",
    "verbose",
    "run_eagerly",
    "optimizer",
    "generator_optimizer",
    "discriminator_optimizer",
    "metrics",
)
LAYERS = ("layers.", "networks.")
CLEAR = (
    TypeError,
    ValueError,
    KeyError,
    ImportError,
    OSError,
    FloatingPointError,
)

NAN = float("nan")
BAD_VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    NAN,
    float("inf"),
    -float("inf"),
    10**30,
    1e300,
    "bad",
    b"bad",
    "",
    [],
    {},
    (1, 2),
    1j,
    object(),
    np.array([NAN, 1.0]),
    np.zeros((2, 0)),
    np.zeros((0, 2)),
    np.array(["a", "b"]),
    np.array(3),
    [[1], [2, 3]],
    {"image": None},
    {1: 2},
    {"x": np.zeros((2, 2))},
    [None, None],
    ["a", 1],
    len,
    int,
    keras.layers.Dense(2),
    np.ones((2, 2, 2, 2, 2)),
]


def variants(value):
    """Arrays like a valid one, but not valid, or of another kind."""
    if isinstance(value, dict):
        for key, part in value.items():
            for variant in variants(part):
                yield {**value, key: variant}
            yield {k: v for k, v in value.items() if k != key}
        yield {**value, "unknown": next(iter(value.values()), 0)}
        return
    if isinstance(value, (list, tuple)) and len(value):
        for variant in variants(value[0]):
            yield [variant, *value[1:]]
        yield value[:-1]
        yield [*value, value[0]]
        return
    if not isinstance(value, np.ndarray) or not value.ndim:
        return
    yield value[:0]
    yield value[:-1]
    yield value[0]
    yield value[None]
    yield value[..., None]
    yield value[..., :0]
    yield value.astype(str)
    yield value * 1j
    yield value.astype("float64")
    yield value.astype("int8")
    yield value.tolist()
    if value.dtype.kind == "f":
        broken = value.copy()
        broken[-1] = NAN
        yield broken
        broken = value.copy()
        broken[0] = -np.inf
        yield broken
        yield value * 1e30


def cases():
    """Triples of name, argument and bad value."""
    for name, (_, given) in calls().items():
        # What is no tensor at all, Keras refuses before a layer is called.
        is_layer = name.endswith(".call") and name.startswith(LAYERS)
        others = [] if is_layer else BAD_VALUES
        for argument, value in given.items():
            if argument in OF_KERAS:
                continue
            for bad in (*others, *variants(value)):
                yield name, argument, bad


def has_nan(output):
    if isinstance(output, keras.callbacks.History):
        output = output.history
    for leaf in keras.tree.flatten(output):
        if isinstance(leaf, (float, np.ndarray, np.generic)) or (
            keras.ops.is_tensor(leaf)
        ):
            leaf = np.asarray(leaf)
            if leaf.dtype.kind == "f" and np.isnan(leaf).any():
                return True
    return False


def outcome(function, arguments):
    """What a call came to: a word, and the error or None."""
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            output = function(**arguments)
    except CLEAR as error:
        text = str(error).lower()
        clear = any(word in text for word in CLEAR_WORDS)
        return ("refused" if clear else "unclear"), error
    except Exception as error:
        return "unclear", error
    return ("nan" if has_nan(output) else "taken"), None


@contextlib.contextmanager
def unchanged(function, arguments):
    """Models are afterwards what they were, whatever they were trained on."""
    owner = getattr(function, "__self__", None)
    models = [
        value
        for value in (owner, *arguments.values())
        if isinstance(value, keras.Model)
    ]
    optimizers = [getattr(model, "optimizer", None) for model in models]
    before = [
        (variable, variable.numpy())
        for owner in (*models, *filter(None, optimizers))
        for variable in owner.variables
    ]
    yield
    for variable, value in before:
        variable.assign(value)


def is_finite(value):
    """Whether no number in it is NaN or infinite, or becomes so as float32."""
    try:
        leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(value)]
        return all(
            np.all(np.abs(leaf) < 1e18) for leaf in leaves if leaf.dtype != "O"
        )
    except (TypeError, ValueError):
        return True


def show(value):
    text = repr(value).replace("\n", "")
    if isinstance(value, np.ndarray):
        text = f"{value.dtype}{value.shape} {text}"
    return text[:80]


def test_every_public_name_is_called():
    unknown = {*CALLS, *ELSEWHERE} - set(public_names())
    assert not unknown


def test_bad_arguments_are_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = calls()
    wanted = tuple(os.environ.get("KX_ROBUSTNESS_NAMES", "").split(","))
    everything = [case for case in cases() if case[0].startswith(wanted)]
    num_cases = os.environ.get("KX_ROBUSTNESS", str(NUM_CASES))
    if num_cases != "all":
        order = np.random.default_rng(0).permutation(len(everything))
        everything = [everything[i] for i in order[: int(num_cases)]]
    counts, report = collections.Counter(), []
    for name, argument, bad in everything:
        function, given = table[name]
        with unchanged(function, given):
            word, error = outcome(function, {**given, argument: bad})
        hands_on = name.startswith(OF_TENSORS) or name.endswith(OF_TRAINING)
        if word == "nan" and hands_on and not is_finite(bad):
            word = "taken"
        counts[word] += 1
        if word in ("unclear", "nan"):
            kind = type(error).__name__
            text = str(error).strip().splitlines()[:1]
            report.append(
                f"{word} {name}({argument}={show(bad)}): {kind} {text}"
            )
    path = os.environ.get("KX_ROBUSTNESS_REPORT", tmp_path / "report.txt")
    pathlib.Path(path).write_text("\n".join(report))
    sys.stdout.write(f"{dict(counts)}\n")
    total = sum(counts.values())
    assert counts["nan"] == 0, "\n".join(r for r in report if r[:3] == "nan")
    assert counts["unclear"] < 0.01 * total, "\n".join(report)
