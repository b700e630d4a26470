"""The rules of arguments: what is allowed, what it becomes, what is refused."""

import datetime
import inspect
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import checks

INTEGERS = [3, np.int64(3), np.uint8(3), np.array(3), tf.constant(3)]
INTEGERS.append(keras.Variable(3, dtype="int32"))
NO_INTEGERS = [2.0, np.float32(2), True, np.True_, tf.constant(True), "3", None]
NO_INTEGERS += [[3], np.array([3]), tf.constant(2.0), keras.KerasTensor(())]
NO_NUMBERS = [True, np.True_, "1", None, 1j, [0.5], np.array([0.5]), object()]
NO_NUMBERS.append(keras.KerasTensor(()))
LAYER = keras.layers.Dense(2)
ALLOWED = [
    (checks.integer, (), INTEGERS, 3),
    (checks.integer, (), [-(2**70)], -(2**70)),
    (checks.integer, (3, 3), INTEGERS, 3),
    (checks.positive_integer, (), INTEGERS, 3),
    (checks.positive_integers, (), [[3, 4], np.array([3, 4])], (3, 4)),
    (checks.positive_integers, (2,), [(np.int64(3), 4)], (3, 4)),
    (checks.positive_integers, (None, True), [(), []], ()),
    (checks.increasing_integers, (), [(1, 4), [1, np.int64(4)]], (1, 4)),
    (checks.image_size, (), [[4, 5], tf.constant([4, 5])], (4, 5)),
    (checks.in_range, (0, 1), [1, np.float32(1), np.array(1.0)], 1.0),
    (checks.in_range, (0, 1), [0, np.int64(0), tf.constant(0.0)], 0.0),
    (checks.in_range, (0, 1, "()"), [0.5, tf.constant(0.5)], 0.5),
    (checks.number, (), [-1, np.float64(-1), keras.Variable(-1.0)], -1.0),
    (checks.number, (), [2**70], 2.0**70),
    (checks.positive, (), [0.25, np.float16(0.25)], 0.25),
    (checks.not_negative, (), [0, -0.0], 0.0),
    (checks.increasing_pair, (), [(0, 1), [0, 1], np.array([0, 1])], (0, 1)),
    (checks.string, (), ["a", np.str_("a")], "a"),
    (checks.strings, (), [["a", "b"], np.array(["a", "b"])], ("a", "b")),
    (checks.strings, (True,), [()], ()),
    (checks.one_of, ("ab",), ["a", np.str_("a")], "a"),
    (checks.some_of, ("abc",), [["c", "a"], ("c", "a")], ("c", "a")),
    (checks.some_of, ("abc", True), [[]], ()),
    (checks.path, (), ["/a/b", pathlib.Path("/a/b")], pathlib.Path("/a/b")),
    (checks.keras_layer, (), [LAYER], LAYER),
    (checks.keras_layers, (), [{"a": LAYER}], {"a": LAYER}),
    (checks.modalities, ("ab",), [{"a": 1}], {"a": 1}),
    (checks.modalities, ("ab", True), [{"b": 2, "a": 1}], {"a": 1, "b": 2}),
    (checks.modality_pairs, (), [None], None),
    (
        checks.modality_pairs,
        (),
        [[("a", "b"), ["c", "a"]]],
        [("a", "b"), ("c", "a")],
    ),
    (checks.modality_pairs, ("ab",), [[["a", "b"]]], [("a", "b")]),
    (checks.same_length, (), [{"a": 2, "b": 2, "c": None}], 2),
    (checks.same_length, (1,), [{"a": None}], None),
    (checks.shape, ((None, "dim", 3),), [(None, 2, 3), [4, None, 3]], None),
    (checks.shape, (("batch", "dim"), (3,)), [(None, 2), [3]], None),
    (checks.shape, (("batch", ..., 3),), [(2, 3), (None, 1, 2, 3)], None),
    (checks.shape, ((..., 3),), [(3,), (1, 3)], None),
]


@pytest.mark.parametrize(
    ("check", "options", "values", "expected"),
    ALLOWED,
    ids=[check.__name__ for check, *_ in ALLOWED],
)
def test_allowed(check, options, values, expected):
    for value in values:
        found = check("x", value, *options)
        if expected is not None:
            assert found == expected
        if isinstance(expected, (int, float)):
            assert type(found) is type(expected)
        if isinstance(expected, (int, float, tuple)):
            json.dumps(found)


REFUSED = [
    (checks.integer, (), NO_INTEGERS, TypeError, "be an integer"),
    (checks.integer, (0,), [-1], ValueError, "be a non-negative integer"),
    (checks.integer, (2,), [1], ValueError, "an integer of at least 2.*x=1"),
    (checks.integer, (1, 4), [0, 5], ValueError, "an integer from 1 to 4"),
    (checks.integer, (None, 4), [5], ValueError, "an integer of at most 4"),
    (checks.integer, (), [2**31], ValueError, "integer, of at most 2147483647"),
    (checks.positive_integer, (), [10**30], ValueError, "at most 2147483647"),
    (checks.positive_integers, (), [(2**31,)], ValueError, "positive integers"),
    (checks.number, (), [1e300], ValueError, "a finite number"),
    (checks.strings, (), [np.ones((2, 2)), np.ones((2, 0))], TypeError, "`x`"),
    (checks.positive_integer, (), NO_INTEGERS, TypeError, "a positive integer"),
    (checks.positive_integer, (), [0, -3], ValueError, "a positive integer"),
    (
        checks.positive_integers,
        (),
        [3, "34", [3, 4.0], [True], None, np.array([1.0])],
        TypeError,
        "a tuple of positive integers",
    ),
    (
        checks.positive_integers,
        (),
        [(), [3, 0]],
        ValueError,
        "positive integers, not empty",
    ),
    (
        checks.increasing_integers,
        (),
        [(2, 1), (1, 1)],
        ValueError,
        "a tuple of positive integers, increasing",
    ),
    (
        checks.positive_integers,
        (3,),
        [(1, 2), (1, 2, 3, 4)],
        ValueError,
        "a tuple of 3 positive integers",
    ),
    (
        checks.image_size,
        (),
        [64, "ab", (2.0, 2)],
        TypeError,
        "height and width",
    ),
    (checks.image_size, (), [(64,), (64, 0)], ValueError, "height and width"),
    (checks.in_range, (0, 1), NO_NUMBERS, TypeError, r"number in \[0, 1\]"),
    (
        checks.in_range,
        (0, 1),
        [-1e-9, 1.1, np.nan],
        ValueError,
        r"be in \[0, 1\]",
    ),
    (checks.in_range, (0, 1, "[)"), [1], ValueError, r"be in \[0, 1\)"),
    (checks.in_range, (0, 0.5, "(]"), [0], ValueError, r"be in \(0, 0.5\]"),
    (checks.number, (), NO_NUMBERS, TypeError, "a finite number"),
    (checks.number, (), [np.inf, np.nan], ValueError, "a finite number"),
    (checks.positive, (), NO_NUMBERS, TypeError, "a positive number"),
    (
        checks.positive,
        (),
        [0, -1, np.inf, np.nan],
        ValueError,
        "a positive number.*x=",
    ),
    (
        checks.not_negative,
        (),
        [-1, np.inf, np.nan],
        ValueError,
        "a non-negative number",
    ),
    (checks.increasing_pair, (), [1, "01", (0, None)], TypeError, "a pair of"),
    (
        checks.increasing_pair,
        (),
        [(0, 0), (1, 0), (0, 1, 2), (0, np.inf), (np.nan, 1)],
        ValueError,
        "a smaller and a larger",
    ),
    (checks.string, (), [1, b"a", None], TypeError, "x` must be a string"),
    (checks.strings, (), ["ab", [1], None], TypeError, "sequence of strings"),
    (checks.strings, (), [[]], ValueError, "sequence of strings, not empty"),
    (
        checks.one_of,
        ("ab",),
        ["c", None, 1, np.arange(2)],
        ValueError,
        r"one of \['a', 'b'\]. Received: x=",
    ),
    (checks.some_of, ("ab",), ["a", 1], TypeError, "a tuple or list of one or"),
    (
        checks.some_of,
        ("ab",),
        [[], ["a", "a"], ["c"], [["a"]]],
        ValueError,
        "one or several different",
    ),
    (checks.path, (), [1, None, b"a"], TypeError, "a string or path object"),
    (checks.path, (), ["a\0b"], ValueError, "without a null character"),
    (checks.keras_layer, (), [1, None], TypeError, "a Keras layer or model"),
    (checks.serving_model, (), [None, LAYER], TypeError, "say what it serves"),
    (checks.keras_layers, (), [LAYER, None], TypeError, "a dict {modality"),
    (checks.keras_layers, (), [{"a": 1}], TypeError, r"`x\['a'\]` must be a K"),
    (checks.modalities, ("ab",), [[1], None], TypeError, "a dict of modal"),
    (
        checks.modalities,
        ("ab",),
        [{}, {"a": 1, "c": 2}],
        ValueError,
        r"modalities of \['a', 'b'\], at least one. Received: x with keys",
    ),
    (checks.modalities, ("ab", True), [{"a": 1}], ValueError, "all of them"),
    (
        checks.modality_pairs,
        (),
        [1, [1], ["ab"]],
        TypeError,
        "be pairs of two diff",
    ),
    (
        checks.modality_pairs,
        ("abc",),
        [[("a",)], [("a", "a")], [("a", "b", "c")], [("a", "d")]],
        ValueError,
        r"two different modalities of \['a', 'b', 'c'\], each pair once",
    ),
    (checks.same_length, (), [{"a": 1, "b": 2}], ValueError, "equally many"),
    (checks.same_length, (1,), [{"a": 0}], ValueError, "at least 1. Received"),
    (
        checks.shape,
        ((None, "dim", 3),),
        [(1, 2), (1, 2, 4)],
        ValueError,
        r"shape \(None, dim, 3\). Received: x.shape=\(1, 2",
    ),
    (
        checks.shape,
        (("batch", "dim"), (3,)),
        [(4,), (1, 2, 3), ((1, 2), (1, 2))],
        ValueError,
        r"shape \(batch, dim\) or \(3,\)\. Received: x.shape=\(",
    ),
    (
        checks.shape,
        (("batch", ..., 3),),
        [(3,), (), (1, 2)],
        ValueError,
        r"shape \(batch, ..., 3\)\. Received",
    ),
]


@pytest.mark.parametrize(
    ("check", "options", "values", "error", "match"),
    REFUSED,
    ids=[
        f"{check.__name__} {error.__name__}"
        for check, _, _, error, _ in REFUSED
    ],
)
def test_refused(check, options, values, error, match):
    for value in values:
        with pytest.raises(error, match=match) as caught:
            check("x", value, *options)
        assert "Received: " in str(caught.value)


@pytest.mark.parametrize(
    ("check", "options"),
    [
        (checks.integer, ()),
        (checks.positive_integer, ()),
        (checks.in_range, (0, 1)),
        (checks.number, ()),
        (checks.positive, ()),
        (checks.not_negative, ()),
        (checks.string, ()),
        (checks.one_of, ("ab",)),
        (checks.path, ()),
        (checks.keras_layer, ()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_optional(check, options):
    assert check("x", None, *options, optional=True) is None
    with pytest.raises(
        (TypeError, ValueError), match=r"or None\. Received: x="
    ):
        check("x", object(), *options, optional=True)
    with pytest.raises((TypeError, ValueError)):
        check("x", None, *options)


def test_optional_layers_are_a_new_dict():
    layers = {"a": LAYER}
    found = checks.keras_layers("x", layers)
    assert found is not layers
    assert checks.keras_layers("x", None, optional=True) == {}


def test_sizes_that_must_be_known():
    sizes = ("batch", "time", "dim")
    checks.shape("x", (None, 2, 3), sizes, known=("time", "dim"))
    match = r"\(batch, time, dim\), with known time and dim\. Rec.*None, 3\)"
    with pytest.raises(ValueError, match=match):
        checks.shape("x", (1, None, 3), sizes, known=("time", "dim"))


def test_shapes():
    received = [(None, 2), [3, 4, 5]]
    expected = {"a": ("batch", "dim"), "b": ("batch", ..., "dim")}
    found = checks.shapes("x", received, known=("dim",), **expected)
    assert found == [(None, 2), (3, 4, 5)]
    for wrong in (None, (2, 3), [(2,)], [(2,), (2,), (2,)], [(2,), None]):
        with pytest.raises(
            ValueError, match=r"`x` must be a list \[a, b\]\. R"
        ):
            checks.shapes("x", wrong, **expected)
    match = (
        r"`b` must have shape \(batch, ..., dim\)\. Received: b.shape=\(3,\)"
    )
    with pytest.raises(ValueError, match=match):
        checks.shapes("x", [(2, 2), (3,)], **expected)


def test_same_shape():
    checks.same_shape(a=(2, 3), b=(2, 3), c=(None, 3))
    for wrong in ((2, 4), (3, 3), (2,), (2, 3, 1)):
        with pytest.raises(
            ValueError,
            match=r"`a` and `b` must have the same shape\. Received: a.shape=\("
            r"2, 3\), b.shape=\(",
        ):
            checks.same_shape(a=(2, 3), b=wrong)


def test_same_dim():
    checks.same_dim(a=(2, 3), b=(5, 3), c=(1, 1, 3))
    with pytest.raises(ValueError, match=r"the same dim\. Received: a.shape"):
        checks.same_dim(a=(2, 3), b=(3, 2))


def test_paths_are_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of/a/user")
    assert checks.path("x", "a/../b") == tmp_path / "b"
    assert checks.path("x", "~/a") == pathlib.Path("/home/of/a/user/a")


def test_examples_become_arrays():
    x = checks.examples("x", {"a": [1.0, 2.0], "b": np.zeros((2, 3))})
    assert x["a"].shape == (2,)
    assert x["b"].shape == (2, 3)


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (np.zeros(3), TypeError, "`x` must be a dict.*ndarray"),
        ({}, ValueError, "not empty"),
        ({"a": np.zeros((0, 2))}, ValueError, "at least 1.*'a': 0"),
        ({"a": np.float32(3)}, ValueError, "'a': 0"),
        ({"a": [1, 2], "b": [1]}, ValueError, "equally many.*'a': 2, 'b': 1"),
    ],
)
def test_bad_examples(x, error, match):
    with pytest.raises(error, match=match):
        checks.examples("x", x)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ([["a"]], TypeError, "`x` must be real numbers.*<U1"),
        ([[True]], TypeError, "`x` must be real numbers.*bool"),
        ([[None]], TypeError, "`x` must be real numbers.*object"),
        ([1j], TypeError, "`x` must be real numbers.*complex"),
    ],
)
def test_real_numbers(value, error, match):
    for dtype in ("int8", "uint64", "float16", "bfloat16"):
        assert checks.real_numbers("x", tf.ones(2, dtype)).dtype.name == dtype
    with pytest.raises(error, match=match):
        checks.real_numbers("x", value)


def test_finite():
    for value in ([[1.0]], 2.0, [], np.zeros((0, 3)), ["a"], [1], [True]):
        assert checks.finite("x", value).shape == np.shape(value)
    match = "finite. Received: NaN or infinity in 2 of 3 examples, first in exa"
    for dtype in ("float32", "bfloat16", "complex64"):
        value = tf.cast([[0.0, 0.0], [0.0, np.inf], [np.nan, 0.0]], dtype)
        with pytest.raises(ValueError, match=match + "mple 1"):
            checks.finite("x", value)
    with pytest.raises(ValueError, match=r"example 0\. Mend it\."):
        checks.finite("x", np.nan, "Mend it.")


def test_embeddings_become_float32():
    for dtype in ("float16", "float64", "int8"):
        x = checks.embeddings("x", np.ones((2, 3), dtype))
        assert x.dtype == np.float32
    x = checks.embeddings("x", tf.ones((2, 3), "bfloat16"))
    assert x.dtype == np.float32
    assert checks.embeddings("x", [[1.0]]).shape == (1, 1)
    x = checks.embeddings("x", [[1e300]], "float64")
    assert x.dtype == np.float64
    assert x == 1e300


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (np.ones(3), ValueError, r"`x` must have shape .*\(3,\)"),
        (np.ones((0, 3)), ValueError, r"`x` must have shape .*\(0, 3\)"),
        (np.ones((3, 0)), ValueError, r"`x` must have shape .*\(3, 0\)"),
        ([[1.0], [np.nan]], ValueError, r"NaN or .* in 1 of 2 .* example 1"),
        ([[np.inf], [1.0]], ValueError, r"NaN or .* in 1 of 2 .* example 0"),
        ([[1e300, 0.0]], ValueError, "float32 holds.*from 0 to 1e.300"),
        ([["a"]], TypeError, "`x` must be real numbers.*<U1"),
    ],
)
def test_bad_embeddings(value, error, match):
    with pytest.raises(error, match=match):
        checks.embeddings("x", value)


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        ([1, 2], "int64"),
        (np.array([1, 2], "uint8"), "uint8"),
        (["a", "été"], "<U3"),
        ([b"a", b"bc"], "<U2"),
        (np.array(["été".encode(), b"a"]), "<U3"),
        ([b"a", "été"], "<U3"),
        (np.array(["a", "bc"], np.dtypes.StringDType()), "<U2"),
        (["a\0b"], "<U3"),
        (np.array([1, 2], object), "int64"),
        (np.array([0.5, 2.0], object), "float64"),
        ([2**63, 1], "uint64"),
        ([datetime.date(2024, 1, 1)], "datetime64[D]"),
        (
            [datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1, 12)],
            "datetime64[us]",
        ),
        ([datetime.timedelta(1)], "timedelta64[us]"),
        (np.array(["a", "bc"], object), "<U2"),
        (tf.constant(["a", "été"]), "<U3"),
        (np.array(["2024-01-01"], "datetime64[D]"), "datetime64[D]"),
        ([0.5, 1.5], "float64"),
        ([True, False], "bool"),
    ],
)
def test_ids_of_any_type(ids, dtype):
    found = checks.ids("ids", ids)
    assert found.dtype == dtype
    assert len(found) == len(ids)


@pytest.mark.parametrize(
    ("ids", "error", "match"),
    [
        ([[1]], ValueError, r"`ids` must have shape .*\(1, 1\)"),
        ([1, "a"], TypeError, r"one type.*\['int', 'str'\]"),
        ([1, 0.5], TypeError, r"one type.*\['float', 'int'\]"),
        ([2**63, -1], ValueError, "64 bits.*from -1 to 9223"),
        ([2**80], ValueError, "64 bits.*1208925819614629174706176"),
        (["a\0", "a"], ValueError, r"end in a null .*'a\\x00'"),
        ([b"\xff", b"a"], ValueError, r"UTF-8.*xff"),
        ([object()], TypeError, "numbers, strings or dates.*object"),
        ([None, "a"], TypeError, r"NoneType', 'str"),
        (np.array([1.0, np.nan]), ValueError, "not be NaN.*1 of 2"),
        (np.array(["NaT"], "datetime64[D]"), ValueError, "not be NaN or NaT"),
        (np.zeros(1, [("a", int)]), TypeError, "numbers, strings or dates"),
    ],
)
def test_bad_ids(ids, error, match):
    with pytest.raises(error, match=match):
        checks.ids("ids", ids)


# What a constructor needs.
_NEEDED = {
    "vocabulary_size": 5,
    "sequence_length": 4,
    "output_dim": 2,
    "output_shape": (8, 8, 3),
    "layer": LAYER,
    "image_converter": LAYER,
    "preprocessor": kx.networks.SpeechPreprocessor(),
}
LAYERS = [
    getattr(room, name)
    for room in (kx.layers, kx.networks)
    for name in room.__all__
    if inspect.isclass(getattr(room, name))
]


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_layers_take_no_unknown_arguments(cls):
    needed = {
        name: _NEEDED[name]
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is parameter.empty and name != "kwargs"
    }
    with pytest.raises((TypeError, ValueError), match="output_sequence"):
        cls(**needed, output_sequence_length=4)


def test_ids_of_another_length():
    with pytest.raises(ValueError, match=r"shape \(3,\).*y.shape=\(2,\)"):
        checks.ids("y", [1, 2], 3)


def test_integer_ids():
    symbolic = keras.KerasTensor((None,), "int32")
    for ids in (np.arange(2), tf.range(2), symbolic, np.arange(2, dtype="u1")):
        assert checks.integer_ids("y", ids) is ids
    assert checks.integer_ids("y", [1, 2]).dtype == "int64"
    for ids in (["a"], [1.0], keras.KerasTensor((None,)), [True]):
        with pytest.raises(TypeError, match="`y` must hold the integer id"):
            checks.integer_ids("y", ids)
    with pytest.raises(ValueError, match=r"shape \(batch,\). .*\(1, 2\)"):
        checks.integer_ids("y", [[1, 2]])


def test_class_ids_become_an_array():
    assert checks.class_ids("labels", [0, 2, 1], 3, 3).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        ([0, 1], ValueError, r"`labels` must have shape \(3,\).*\(2,\)"),
        ([[0], [1], [2]], ValueError, r"\(3, 1\)"),
        ([0.0, 1.0, 2.0], TypeError, "must be integers.*float64"),
        ([0, -1, 2], ValueError, "must be from 0 to 3.*from -1 to 2"),
        ([0, 1, 4], ValueError, "must be from 0 to 3.*from 0 to 4"),
    ],
)
def test_bad_class_ids(labels, error, match):
    with pytest.raises(error, match=match):
        checks.class_ids("labels", labels, 3, 4)
    if not isinstance(labels[-1], int) or labels[-1] < 4:
        with pytest.raises(error, match="`labels` must"):
            checks.class_ids("labels", labels, 3)


@pytest.mark.parametrize(
    ("cls", "name", "arguments"),
    [
        (kx.layers.SpecAugment, "num_time_masks", {"seed": 1}),
        (kx.layers.TokenAttention, "num_heads", {}),
        (kx.likelihoods.Categorical, "num_classes", {}),
        (kx.metrics.Recall, "k", {}),
        (kx.networks.ConvTranslator, "num_blocks", {}),
        (kx.networks.DenseGenerator, "output_dim", {}),
        (kx.networks.ImageEncoder, "output_dim", {"filters": (4,)}),
        (kx.networks.SpeechPreprocessor, "num_mel_bins", {}),
        (kx.networks.TextEncoder, "embedding_dim", {"vocabulary_size": 9}),
        (kx.networks.VideoDecoder, "num_frames", {"filters": (4,)}),
        (kx.networks.VideoEncoder, "num_frames", {"filters": (4,)}),
        (kx.objectives.MMVAE, "num_samples", {}),
        (kx.objectives.MMVAEPlus, "private_dim", {}),
    ],
)
def test_every_room_takes_the_same_integers(cls, name, arguments):
    plain = cls(**arguments, **{name: 4}).get_config()
    for value in (np.int64(4), np.array(4), tf.constant(4)):
        config = cls(**arguments, **{name: value}).get_config()
        assert type(config[name]) is int
        json.dumps(config)
        assert {**config, "name": 0} == {**plain, "name": 0}
    for value in (2.0, True, "4"):
        with pytest.raises(TypeError, match=f"`{name}` must be a"):
            cls(**arguments, **{name: value})


def test_array_keeps_the_zeros_of_files():
    files = [b"ends in\0\0", b"longer, without zero"]
    for value in (files, tuple(files), np.array(files, object)):
        array = checks.array("x", value)
        assert array.dtype == object
        assert array.tolist() == files
    assert checks.array("x", files[0]).item() == files[0]
    assert checks.array("x", [["a"], ["b"]]).shape == (2, 1)
    assert checks.string_array("x", []).shape == (0,)
    tensor = tf.constant(files)
    assert checks.array("x", tensor) is tensor


@pytest.mark.parametrize(
    "texts",
    [
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        np.array([b"a", b"b"], object),
        np.array([b"a", b"b"]),
        *(
            [np.array(["a", "b"], np.dtypes.StringDType())]
            if hasattr(np.dtypes, "StringDType")
            else []
        ),
    ],
)
def test_strings_of_any_dtype_are_objects(texts):
    array = checks.array("x", texts)
    assert array.dtype == object
    assert tf.convert_to_tensor(array).numpy().tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (["a", np.nan], TypeError, "Received: nan of type float in example 1"),
        ([["a"], [None]], TypeError, "Received: None .* in example 1"),
        (np.array(["a", 1], object), TypeError, "nothing but strings"),
        (np.array([b"\0a", b"\0b\0"]), TypeError, "a list of bytes"),
        ([np.zeros(1), np.zeros(2)], ValueError, "arrays of equal shapes"),
    ],
)
def test_what_is_no_array(value, error, match):
    with pytest.raises(error, match=match):
        checks.array("x['text']", value)


VECTORS = np.eye(4, 3, dtype="float32")
# What a public name needs besides the numbers that have a default.
REQUIRED = {
    "embedding_dim": 4,
    "input_dim": {"a": 4, "b": 3},
    "output_dim": 4,
    "latent_dim": 3,
    "vocabulary_size": 9,
    "sequence_length": 5,
    "image_size": (8, 8),
    "folder": "pictures",
    "path": "clip.gif",
    "frames": np.zeros((2, 8, 8, 3), "uint8"),
    "targets": VECTORS,
    "data": (VECTORS, VECTORS),
    "extractor": LAYER,
    "preprocessor": kx.networks.SpeechPreprocessor(),
    "num_modes": 2,
    "logits": np.eye(4),
    "positives": np.eye(4),
    "shape": (8, 8, 3),
    "model": kx.EmbeddingModel({"a": 4, "b": 3}, 2),
    "texts": ["one", "two"],
}


TOWERS = {"a": LAYER, "b": keras.layers.Dense(2)}
SPECIAL = {
    kx.GANModel: {"generator": LAYER, "discriminator": LAYER},
    kx.CycleGANModel: {"generators": TOWERS, "discriminators": TOWERS},
    kx.models.ridge_warm_start: {
        "x": {"a": np.eye(4)},
        "targets": VECTORS[:, :2],
    },
    kx.metrics.mode_report: {"centres": VECTORS},
    kx.serving.Client: {"url": "http://localhost", "model": "emoji"},
}
REQUIRED["model"]({"a": np.eye(4), "b": VECTORS})


def public_numbers():
    """Public classes and functions, with their arguments that are floats."""
    found = {}
    rooms = (getattr(kx, name) for name in kx.__all__)
    for room in [kx, *filter(inspect.ismodule, rooms)]:
        for name, member in vars(room).items():
            ours = getattr(member, "__module__", "").startswith("keras_xmodal")
            if name.startswith("_") or not ours or not callable(member):
                continue
            parameters = inspect.signature(member).parameters.values()
            floats = [
                parameter.name
                for parameter in parameters
                if parameter.annotation in (float, float | None)
                or (
                    parameter.annotation is parameter.empty
                    and isinstance(parameter.default, float)
                )
            ]
            if floats and not getattr(member, "__abstractmethods__", None):
                found[member] = floats
    return found


NUMBERS = public_numbers()


def test_there_are_public_numbers():
    assert len(NUMBERS) > 40
    assert kx.layers.LogitScale in NUMBERS
    assert kx.ops.relative_representation in NUMBERS


@pytest.mark.parametrize("member", NUMBERS, ids=lambda m: m.__name__)
def test_no_public_number_may_be_nan_or_infinite(member, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    required = {
        parameter.name: REQUIRED.get(parameter.name, VECTORS)
        for parameter in inspect.signature(member).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind
        in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    required |= SPECIAL.get(member, {})
    for name in NUMBERS[member]:
        for value in (np.nan, np.inf, -np.inf):
            with pytest.raises((ValueError, TypeError), match=f"`{name}"):
                member(**{**required, name: value})


@pytest.mark.parametrize("name", ["class", "from", "None", "self", "a b", ""])
def test_reserved_names_of_modalities(name):
    for make in (
        lambda: kx.EmbeddingModel({name: 3, "text": 4}, 2),
        lambda: kx.VAEModel({name: 3, "text": 4}, 2),
    ):
        with pytest.raises(ValueError, match=r"keyword of Python.*Received: '"):
            make()
    assert checks.modality_names("x", ["label", "cls"]) == ("label", "cls")
