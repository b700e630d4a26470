"""Every family over every modality, in every format."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_xmodal import export
from tests.export import families

BATCH_SIZES = (1, 64, 1, 7)


def load_saved_model(path):
    signatures = tf.saved_model.load(str(path))

    def run(name, inputs):
        outputs = signatures.signatures[name](
            **{key: tf.constant(value) for key, value in inputs.items()}
        )
        return {key: value.numpy() for key, value in outputs.items()}

    return run, set(signatures.signatures) - {"serving_default"}


def load_litert(path):
    runners = {}
    for file in path.glob("*.tflite"):
        interpreter = Interpreter(str(file))
        (name,) = interpreter.get_signature_list()
        runners[name] = interpreter.get_signature_runner(name)
    return lambda name, inputs: runners[name](**inputs), set(runners)


def load_onnx(path):
    import onnxruntime

    sessions = {}
    for file in path.glob("*.onnx"):
        session = onnxruntime.InferenceSession(file)
        name = file.stem
        sessions[name if "_" in name else f"embed_{name}"] = session

    def run(name, inputs):
        session = sessions[name]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run, set(sessions)


LOAD = {
    "saved_model": load_saved_model,
    "litert": load_litert,
    "onnx": load_onnx,
}


@functools.lru_cache(maxsize=1)
def make(family, dtype=None):
    """A model, which the formats share: most of a test is to trace it."""
    keras.utils.set_random_seed(0)
    model, templates = families.FAMILIES[family]
    return model(dtype), templates


@functools.lru_cache(maxsize=2)
def make_calls(family, dtype, is_saved):
    """What the model's own methods give."""
    sampling = "seed" if is_saved else "noise"
    return list(
        families.calls(*make(family, dtype), raw=is_saved, sampling=sampling)
    )


def check(family, path, form, dtype=None):
    """Compare what was written with the model's own methods."""
    run, names = LOAD[form](path)
    is_saved = form == "saved_model"
    calls = make_calls(family, dtype, is_saved)
    if form == "onnx":  # It has no integers to draw noise with.
        calls = [call for call in calls if "seed" not in call.inputs]
    assert {call.name for call in calls} == names
    for call in calls:
        for size in BATCH_SIZES:
            part = np.arange(size) % families.NUM_ROWS
            given = {key: value[part] for key, value in call.inputs.items()}
            outputs = run(call.name, given)
            expected = call.outputs
            if not is_saved:  # It has no strings either.
                expected = {k: v for k, v in expected.items() if "_s" not in k}
            assert set(outputs) == set(expected)
            for key, value in expected.items():
                assert_equal(outputs[key], value[part], dtype, (call.name, key))


def assert_equal(actual, expected, dtype, where):
    floats = expected.dtype.kind in "fV"
    if floats:
        assert actual.dtype == "float32", where
    assert actual.shape == expected.shape, where
    if dtype is not None:
        if set(np.unique(actual)) <= {0, 1} or not floats:
            return  # Half precision may choose another word.
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(
            actual, expected, atol=2e-2 * scale, err_msg=str(where)
        )
    elif floats:
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(
            actual, expected, atol=1e-5 * scale, rtol=0, err_msg=str(where)
        )
    else:
        np.testing.assert_array_equal(actual, expected, str(where))


QUICK = [
    ("spelling", "saved_model"),
    ("cycle_gan_photos", "litert"),
    ("cycle_gan_photos", "onnx"),
]


@pytest.mark.parametrize(
    ("family", "form"),
    [
        pytest.param(
            family,
            form,
            marks=[] if (family, form) in QUICK else pytest.mark.large,
        )
        for family in families.FAMILIES
        for form in LOAD
    ],
)
def test_files_give_what_the_model_gives(family, form, tmp_path):
    """On tensors, and on files and strings where the format takes them."""
    if form == "onnx":
        pytest.importorskip("tf2onnx")
    model, _ = make(family)
    path = tmp_path / "1"
    report = getattr(export, form)(model, path)
    assert report["max_abs_error"] <= 1e-5
    check(family, path, form)


@pytest.mark.large
@pytest.mark.parametrize(
    ("family", "dtype"),
    [
        ("embedding", "mixed_bfloat16"),
        ("gan_text_image", "float16"),
        ("cycle_gan_photos", "bfloat16"),
    ],
)
@pytest.mark.parametrize("form", LOAD)
def test_half_precision(family, form, dtype, tmp_path):
    """What comes out is float32, which TensorFlow Serving can write."""
    model, _ = make(family, dtype)
    path = tmp_path / "1"
    getattr(export, form)(model, path)
    check(family, path, form, dtype)


@pytest.mark.large
def test_folder_of_a_server(tmp_path):
    """Of files of recordings and clips, too."""
    model, _ = make("embedding")
    report = export.serving(model, tmp_path / "a", name="m", batch_sizes=(1, 3))
    path = tmp_path / "a" / "m" / "1"
    _, names = load_saved_model(path)
    assert report["num_warm_up_records"] == 2 * (len(names) + 1)
    check("embedding", path, "saved_model")


LIMITS = {"float16": 2e-3, "dynamic": 4e-2, "int8": 8e-2}


@pytest.mark.large
@pytest.mark.parametrize("quantization", LIMITS)
@pytest.mark.parametrize(
    "family",
    ["embedding", "vae_image_text", "gan_image_speech", "cycle_gan_photos"],
)
def test_small_files(family, quantization, tmp_path):
    """Each is compared with Keras at batches of 1, 64, 1 and 7."""
    model, templates = make(family)
    x = None
    if quantization == "int8":
        x = {name: families.rows(name)[0] for name in model.input_specs()}
    report = export.litert(
        model, tmp_path / "a", quantization=quantization, representative=x
    )
    assert set(report["endpoints"]) == {t.format(raw="") for t in templates}
    assert report["max_abs_error"] <= LIMITS[quantization]
