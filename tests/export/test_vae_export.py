"""A `VAEModel` of pictures and texts, in both formats."""

import importlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.export import archive
from keras_xmodal.models.vae import networks
from keras_xmodal.networks import ImagePreprocessor, TextPreprocessor
from keras_xmodal.ops import noise as noise_ops
from tests.export.conftest import TEXTS, pictures, png

DIM = 5
LATENT = {"mean": ((None, DIM), "float32")}
LATENT["log_variance"] = LATENT["mean"]
IMAGE = {"image": ((None, 12, 12, 3), "float32")}
TOKENS = {"text": ((None, 6), "int32")}
TEXT = TOKENS | {"text_string": ((None,), "string")}
STRINGS = {"image": ((None,), "string")}, {"text": ((None,), "string")}
SEED = {"seed": ((None,), "int32")}
Z = {"z": ((None, DIM), "float32")}
ENDPOINTS = {
    "encode_image": (IMAGE, LATENT),
    "encode_image_bytes": (STRINGS[0], LATENT),
    "encode_text": (TOKENS, LATENT),
    "encode_text_string": (STRINGS[1], LATENT),
    "encode_all": (IMAGE | TOKENS, LATENT),
    "decode_image": (Z, IMAGE),
    "decode_text": (Z, TEXT),
    "translate_image_to_text": (IMAGE | SEED, TEXT),
    "translate_image_bytes_to_text": (STRINGS[0] | SEED, TEXT),
    "translate_text_to_image": (TOKENS | SEED, IMAGE),
    "translate_text_string_to_image": (STRINGS[1] | SEED, IMAGE),
}
SEEDS = np.array([4, -1, 2**31 - 1, 4, 0, 77], "int32")


def make_model(dtype=None, objective=None):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    texts = TextPreprocessor(sequence_length=6, end_token=True)
    texts.adapt(TEXTS[:4])
    size = texts.vocabulary_size()
    image = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(4, 3, strides=2, activation="relu", dtype=dtype),
            layers.Flatten(dtype=dtype),
        ]
    )
    text = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(size, 8, dtype=dtype),
            layers.Flatten(dtype=dtype),
        ]
    )
    pixels = keras.Sequential(
        [
            keras.Input((DIM,)),
            layers.Dense(12 * 12 * 3, dtype=dtype),
            layers.Reshape((12, 12, 3), dtype=dtype),
        ]
    )
    words = kx.networks.TextDecoder(
        size, 6, 16, 1, 2, end_id=texts.end_id, dtype=dtype
    )
    decoders = {"image": pixels, "text": words}
    likelihoods = {
        "image": "continuous_bernoulli",
        "text": kx.likelihoods.TokenSequence(size),
    }
    if isinstance(objective, kx.objectives.CVAE):
        decoders = {"text": words}
    return kx.VAEModel(
        latent_dim=DIM,
        encoders={"image": image, "text": text},
        decoders=decoders,
        likelihoods=likelihoods,
        objective=objective,
        preprocessors={"image": ImagePreprocessor((12, 12)), "text": texts},
        dtype=dtype,
    )


@pytest.fixture(scope="module")
def model(x):
    model = make_model()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(kx.models.Preprocessed(x), epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def x():
    """Six preprocessed examples."""
    raw = {"text": np.array(TEXTS)}
    raw["image"] = np.stack([p for p in pictures() if p.shape[0] == 12] * 3)
    return {
        name: np.asarray(value)
        for name, value in make_model().preprocess(raw).items()
    }


@pytest.fixture(scope="module")
def saved_vae(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "vae" / "1"
    return path, export.saved_model(model, path)


@pytest.fixture(scope="module")
def loaded(saved_vae):
    return tf.saved_model.load(str(saved_vae[0]))


@pytest.fixture(scope="module")
def lite_vae(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "device"
    raw = {"text": np.array(TEXTS), "image": pictures()}
    raw["image"] = np.stack([p for p in pictures() if p.shape[0] == 12] * 3)
    return path, export.litert(model, path, (raw, None))


def run(loaded, name, **inputs):
    outputs = loaded.signatures[name](
        **{key: tf.constant(value) for key, value in inputs.items()}
    )
    return {key: value.numpy() for key, value in outputs.items()}


def device(path, name):
    return Interpreter(str(path / f"{name}.tflite")).get_signature_runner(name)


def encode(model, raw):
    """Mean and standard deviation of the posterior of one modality."""
    mean, log_variance = (
        model.encode(raw, output=output) for output in ("mean", "log_variance")
    )
    return mean, np.exp(log_variance / 2)


def sample(model, raw):
    mean, deviation = encode(model, raw)
    noise = noise_ops.stateless_normal((len(SEEDS), DIM), SEEDS).numpy()
    return mean + deviation * noise


def test_every_signature_is_named_typed_and_open_in_the_batch(loaded):
    assert set(loaded.signatures) == {*ENDPOINTS, "serving_default"}
    for name, (inputs, outputs) in ENDPOINTS.items():
        signature = loaded.signatures[name]
        for expected, specs in (
            (inputs, signature.structured_input_signature[1]),
            (outputs, signature.structured_outputs),
        ):
            found = {
                key: (tuple(spec.shape), spec.dtype.name)
                for key, spec in specs.items()
            }
            assert found == expected, name


def test_report(saved_vae):
    path, report = saved_vae
    assert set(report["endpoints"]) == set(ENDPOINTS)
    assert report["max_abs_error"] <= 1e-5
    assert not {"R@1", "retrieval", "min_cosine"} & set(report)
    facts = report["endpoints"]["translate_image_bytes_to_text"]
    assert facts["inputs"] == [
        {
            "name": "image",
            "shape": [None],
            "dtype": "string",
            "holds": "picture",
        },
        {"name": "seed", "shape": [None], "dtype": "int32"},
    ]
    file = path / "assets.extra" / "report.json"
    assert json.loads(file.read_text("utf-8")) == report
    assert os.listdir(path.parent) == [path.name]


def test_encode_and_decode_equal_keras(loaded, model, x):
    for name in x:
        actual = run(loaded, f"encode_{name}", **{name: x[name]})
        experts, _ = networks.encode(model, {name: x[name]}, {}, False)
        i = model.names.index(name)
        for key in ("mean", "log_variance"):
            expected = getattr(experts, key)[i]
            np.testing.assert_allclose(actual[key], expected, atol=1e-5)
    actual = run(loaded, "encode_all", **x)
    experts, _ = networks.encode(model, x, {}, False)
    means, variances, _ = (
        np.asarray(part) for part in model.objective.posterior(experts)
    )
    variance = np.exp(variances).mean(0) + means.var(0)
    np.testing.assert_allclose(actual["mean"], means.mean(0), atol=1e-5)
    np.testing.assert_allclose(
        actual["log_variance"], np.log(variance), atol=1e-5
    )
    z = np.random.default_rng(0).normal(size=(7, DIM)).astype("float32")
    image = run(loaded, "decode_image", z=z)["image"]
    np.testing.assert_allclose(image, model.decode(z)["image"], atol=1e-5)
    decoded = run(loaded, "decode_text", z=z)
    tokens = model.decode(z, "mode")["text"]
    np.testing.assert_array_equal(decoded["text"], tokens)
    texts = model.preprocessors["text"].detokenize(tokens)
    assert [text.decode() for text in decoded["text_string"]] == texts
    assert len(set(texts)) > 1


def test_a_decoder_of_all_tokens_at_once_gives_texts_too(tmp_path):
    texts = TextPreprocessor(sequence_length=3, end_token=True)
    texts.adapt(TEXTS[:4])
    size = texts.vocabulary_size()
    decoder = [
        keras.Input((2,)),
        keras.layers.Dense(3 * size, kernel_initializer="normal"),
        keras.layers.Reshape((3, size)),
    ]
    model = kx.VAEModel(
        latent_dim=2,
        encoders={"text": kx.networks.TextEncoder(size, 4)},
        decoders={"text": keras.Sequential(decoder)},
        likelihoods={"text": kx.likelihoods.TokenSequence(size)},
        preprocessors={"text": texts},
    )
    model({"text": texts(TEXTS)})
    export.saved_model(model, tmp_path / "1")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    z = np.random.default_rng(0).normal(size=(9, 2)).astype("float32")
    outputs = run(loaded, "decode_text", z=z)
    assert outputs["text"].shape == (9, 3, size)
    expected = texts.detokenize(model.decode(z, "mode")["text"])
    assert [text.decode() for text in outputs["text_string"]] == expected
    assert len(set(expected)) > 1


def test_picture_files_and_texts_equal_keras(loaded, model):
    files = [png(picture) for picture in pictures()]
    actual = run(loaded, "encode_image_bytes", image=files)["mean"]
    expected = [model.encode({"image": p[None]})[0] for p in pictures()]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    default = run(loaded, "serving_default", image=files)["mean"]
    np.testing.assert_array_equal(default, actual)
    texts = np.array(TEXTS)
    actual = run(loaded, "encode_text_string", text=TEXTS)["mean"]
    np.testing.assert_allclose(actual, model.encode({"text": texts}), atol=1e-5)

    z = sample(model, {"text": texts})
    actual = run(
        loaded, "translate_text_string_to_image", text=TEXTS, seed=SEEDS
    )
    np.testing.assert_allclose(
        actual["image"], model.decode(z)["image"], atol=1e-5
    )
    z = [sample(model, {"image": p[None]})[i] for i, p in enumerate(pictures())]
    actual = run(
        loaded, "translate_image_bytes_to_text", image=files, seed=SEEDS
    )
    np.testing.assert_array_equal(
        actual["text"], model.decode(np.stack(z), "mode")["text"]
    )


def test_seed_decides_a_row_whatever_else_is_in_the_batch(loaded):
    def translate(rows, seeds):
        inputs = {"text": [TEXTS[i] for i in rows], "seed": seeds}
        return run(loaded, "translate_text_string_to_image", **inputs)["image"]

    together = translate([0, 1, 0, 0], SEEDS[:4])
    np.testing.assert_allclose(together[0], together[3], atol=1e-6)
    assert np.abs(together[0] - together[2]).max() > 1e-3
    for i, row in enumerate([0, 1, 0, 0]):
        alone = translate([row], SEEDS[i : i + 1])[0]
        np.testing.assert_allclose(alone, together[i], atol=1e-6)


CLIENT = """
import json, sys
sys.modules["keras"] = None  # importing it fails from here on
sys.modules["keras_xmodal"] = None
import tensorflow as tf
path, texts, seeds = sys.argv[1], *map(json.loads, sys.argv[2:])
name = "translate_text_string_to_image"
rows = {"text": [text.encode() for text in texts], "seed": seeds}
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    graph = tf.compat.v1.saved_model.load(session, ["serve"], path)
    signature = graph.signature_def[name]
    image = session.run(signature.outputs["image"].name, {
        signature.inputs[key].name: value for key, value in rows.items()})
used = [n for n, m in sys.modules.items()
        if m is not None and n.split(".")[0] in
        ("keras", "keras_xmodal", "tensorflow_probability")]
print(json.dumps([image.tolist(), used]))
"""


@pytest.mark.large
def test_answers_in_a_process_without_keras(saved_vae, model, tmp_path):
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    arguments = [json.dumps(TEXTS), json.dumps(SEEDS.tolist())]
    result = subprocess.run(
        [sys.executable, script, saved_vae[0], *arguments],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    image, used = json.loads(result.stdout.splitlines()[-1])
    assert used == []
    z = sample(model, {"text": np.array(TEXTS)})
    np.testing.assert_allclose(image, model.decode(z)["image"], atol=1e-5)


def test_files_on_a_device(lite_vae, model):
    path, report = lite_vae
    names = {name for name in ENDPOINTS if ENDPOINTS[name][0] not in STRINGS}
    names = {n for n in names if "bytes" not in n and "string" not in n}
    assert set(report["endpoints"]) == names
    files = {f"{name}.tflite" for name in names}
    assert set(os.listdir(path)) == {
        *files,
        "README.md",
        "report.json",
        "text_vocabulary.txt",
    }
    assert report["max_abs_error"] <= 1e-5
    facts = report["endpoints"]["translate_image_to_text"]
    assert facts["num_examples"] == 6
    assert facts["bytes"] == (path / facts["file"]).stat().st_size
    assert facts["output_vocabularies"] == ["text_vocabulary.txt"]
    assert facts["preprocessor"]["class_name"] == "ImagePreprocessor"
    assert "vocabularies" not in facts
    facts = report["endpoints"]["translate_text_to_image"]
    assert facts["vocabularies"] == ["text_vocabulary.txt"]
    assert facts["inputs"][1] == {
        "name": "noise",
        "shape": [None, DIM],
        "dtype": "float32",
    }
    lines = (path / "text_vocabulary.txt").read_text("utf-8").split("\n")
    assert lines[:-1] == model.preprocessors["text"].get_vocabulary()


def test_device_equals_keras_for_any_batch_size(lite_vae, model, x):
    path, _ = lite_vae
    mean, deviation = (
        np.asarray(value) for value in encode(model, {"text": np.array(TEXTS)})
    )
    translate = device(path, "translate_text_to_image")
    encode_text = device(path, "encode_text")
    noise = np.random.default_rng(0).normal(size=mean.shape).astype("float32")
    expected = model.decode(mean + deviation * noise)["image"]
    for size in (1, 6, 2):
        part = slice(size)
        text = x["text"][part]
        np.testing.assert_allclose(
            encode_text(text=text)["mean"], mean[part], atol=1e-5
        )
        actual = translate(text=text, noise=noise[part])["image"]
        np.testing.assert_allclose(actual, expected[part], atol=1e-5)
    zeros = translate(text=x["text"], noise=0 * noise)["image"]
    raw = {"text": np.array(TEXTS)}
    np.testing.assert_allclose(zeros, model.translate(raw, "image"), atol=1e-5)
    tokens = device(path, "translate_image_to_text")(
        image=x["image"], noise=0 * noise
    )
    z = np.asarray(
        networks.encode(model, {"image": x["image"]}, {}, False)[0].mean[0]
    )
    np.testing.assert_array_equal(
        tokens["text"], model.decode(z, "mode")["text"]
    )


def test_parts_on_a_device_make_a_translation(lite_vae, x):
    path, _ = lite_vae
    noise = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
    q = device(path, "encode_image")(image=x["image"])
    z = q["mean"] + np.exp(q["log_variance"] / 2) * noise
    np.testing.assert_array_equal(
        device(path, "decode_text")(z=z.astype("float32"))["text"],
        device(path, "translate_image_to_text")(image=x["image"], noise=noise)[
            "text"
        ],
    )


@pytest.mark.parametrize(
    "form", ["saved_model", pytest.param("litert", marks=pytest.mark.large)]
)
def test_private_latents_and_conditions(form, tmp_path):
    write = getattr(export, form)
    objectives = {
        "private": kx.objectives.MMVAEPlus(private_dim=3),
        "condition": kx.objectives.CVAE("a"),
    }
    for name, objective in objectives.items():
        model = kx.VAEModel({"a": 6, "b": 3}, 4, objective=objective)
        report = write(model, tmp_path / name)
        assert report["max_abs_error"] <= 1e-5
        found = set(report["endpoints"])
        if name == "condition":
            assert found == {"encode_b", "translate_b_to_a"}
        else:
            assert len(found) == 7


@pytest.mark.large
def test_model_of_one_tensor(tmp_path):
    model = kx.VAEModel(6, 3, 4)
    export.saved_model(model, tmp_path / "a")
    report = export.litert(model, tmp_path / "b")
    x = np.random.default_rng(0).random((5, 6), "float32")
    loaded = tf.saved_model.load(str(tmp_path / "a"))
    assert set(loaded.signatures) == {
        "encode",
        "decode",
        "translate",
        "serving_default",
    }
    assert set(report["endpoints"]) == {"encode", "decode", "translate"}
    z = run(loaded, "encode", x=x)["mean"]
    np.testing.assert_allclose(
        run(loaded, "decode", z=z)["y"], model(x), atol=1e-5
    )
    actual = device(tmp_path / "b", "translate")(x=x, noise=0 * z)["y"]
    np.testing.assert_allclose(actual, model(x), atol=1e-5)
    x, ids = x[:3], None
    report = export.saved_model(model, tmp_path / "c", (x, ids))
    assert report["endpoints"]["translate"]["num_examples"] == 3


@pytest.mark.large
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(dtype, x, tmp_path):
    model, twin = (
        make_model(policy, kx.objectives.CVAE("text"))
        for policy in (dtype, "float32")
    )
    model(x)
    twin(x)
    twin.set_weights(model.get_weights())
    assert export.saved_model(model, tmp_path / "a")["max_abs_error"] < 2e-2
    assert export.litert(model, tmp_path / "b")["max_abs_error"] < 2e-2
    image = {"image": x["image"]}
    noise = np.zeros((len(x["image"]), DIM), "float32")
    actual = device(tmp_path / "b", "encode_image")(**image)["mean"]
    experts, _ = networks.encode(twin, image, {}, False)
    expected = experts.mean[twin.names.index("image")]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    tokens = device(tmp_path / "b", "translate_image_to_text")(
        **image, noise=noise
    )["text"]
    context = networks.encode(twin, image, {}, False)[1]
    z = np.concatenate([expected, context], axis=1)
    np.testing.assert_array_equal(tokens, twin.decoders["text"].generate(z))


@pytest.mark.large
@pytest.mark.parametrize("quantization", ["float16", "dynamic"])
def test_quantization(quantization, tmp_path):
    objective = kx.objectives.CVAE("a")
    model = kx.VAEModel({"a": 256, "b": 256}, 8, objective=objective)
    sizes = {
        q: export.litert(model, tmp_path / str(q), quantization=q)["bytes"]
        for q in (None, quantization)
    }
    assert sizes[quantization] < 0.65 * sizes[None]


@pytest.mark.large
def test_weights_are_written_once(tmp_path):
    model = kx.VAEModel({"a": 512, "b": 256}, 64)
    export.saved_model(model, tmp_path / "a")
    (file,) = (tmp_path / "a" / "variables").glob("variables.data*")
    assert file.stat().st_size < 1.1 * 4 * model.count_params()


@pytest.mark.large
def test_model_from_a_file(tmp_path):
    x = np.random.default_rng(0).random((3, 4), "float32")
    model = kx.VAEModel({"a": 5, "b": 4}, 3, objective=kx.objectives.CVAE("a"))
    model({"a": np.ones((1, 5)), "b": x[:1]})
    model.save(tmp_path / "model.keras")
    revived = keras.saving.load_model(tmp_path / "model.keras")
    export.saved_model(revived, tmp_path / "a")
    loaded = tf.saved_model.load(str(tmp_path / "a"))
    np.testing.assert_allclose(
        run(loaded, "encode_b", b=x)["mean"], model.encode({"b": x}), atol=1e-5
    )


@pytest.mark.parametrize(
    ("form", "home", "step"),
    [
        ("saved_model", "archive", "read_archive"),
        ("saved_model", "report", "compare"),
        pytest.param("litert", "litert", "interpret", marks=pytest.mark.large),
        pytest.param("litert", "report", "compare", marks=pytest.mark.large),
    ],
)
def test_failure_leaves_nothing(form, home, step, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no space left")

    module = importlib.import_module(f"keras_xmodal.export.{home}")
    monkeypatch.setattr(module, step, fail)
    objective = kx.objectives.CVAE("a")
    model = kx.VAEModel({"a": 3, "b": 2}, 2, objective=objective)
    with pytest.raises(OSError, match="no space"):
        getattr(export, form)(model, tmp_path / "a" / "1")
    assert os.listdir(tmp_path) == []


@pytest.mark.large
def test_wrong_tokens_are_an_error(model, tmp_path, monkeypatch):
    monkeypatch.setattr(
        type(model.decoders["text"]),
        "generate",
        lambda self, z, **_: tf.fill((tf.shape(z)[0], 6), 3),
    )
    with pytest.raises(RuntimeError, match=r"'decode_text' must equal Keras"):
        export.saved_model(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


@pytest.mark.large
def test_wrong_texts_are_an_error(model, tmp_path, monkeypatch):
    read = archive.read_archive

    def read_wrong_texts(folder, signatures):
        runners = read(folder, signatures)
        decode = runners["decode_text"]

        def run(inputs):
            outputs = decode(inputs)
            texts = np.full_like(outputs["text_string"], b"no text")
            return {**outputs, "text_string": texts}

        return {**runners, "decode_text": run}

    monkeypatch.setattr(archive, "read_archive", read_wrong_texts)
    with pytest.raises(RuntimeError, match=r"Keras.*in 'text_string'"):
        export.saved_model(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


@pytest.mark.large
def test_decoder_that_litert_cannot_run(tmp_path):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    decoder = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, activation=keras.ops.erf)]
    )
    model = kx.VAEModel(
        latent_dim=2, encoders={"a": encoder}, decoders={"a": decoder}
    )
    rule = "The networks of 'decode_a' must only use.*Received: Erf"
    with pytest.raises(ValueError, match=rule):
        export.litert(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


@pytest.mark.large
def test_model_that_is_not_finite(tmp_path):
    model = kx.VAEModel({"a": 4, "b": 3}, 3)
    model({"a": np.ones((1, 4)), "b": np.ones((1, 3))})
    model.set_weights([w * np.nan for w in model.get_weights()])
    with pytest.raises(ValueError, match=r"must be finite.*'encode_a'"):
        export.saved_model(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []
