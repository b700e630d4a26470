"""Whatever Keras can save comes back exact, in every model and every part."""

import os
import shutil
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import keras_xmodal as kx

# Keras' own, of layers without `build`.
pytestmark = pytest.mark.filterwarnings("ignore:.*build.*was called on layer")

RNG = np.random.default_rng(0)
X = {
    "image": RNG.normal(size=(16, 6)).astype("float32"),
    "text": RNG.normal(size=(16, 6)).astype("float32"),
}


@keras.saving.register_keras_serializable("test_save_and_load")
class Built(keras.layers.Layer):
    """With `build` and `call`, and no `compute_output_shape`."""

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def build(self, input_shape):
        self.first = keras.layers.Dense(self.dim)
        self.first.build(input_shape)
        self.second = keras.layers.Dense(self.dim)
        self.second.build((*input_shape[:-1], self.dim))

    def call(self, inputs):
        return self.second(keras.ops.tanh(self.first(inputs)))

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}


@keras.saving.register_keras_serializable("test_save_and_load")
class Unbuilt(keras.layers.Layer):
    """Without `build`: its layers are built by the first call."""

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.first = keras.layers.Dense(dim, activation="tanh")
        self.second = keras.layers.Dense(dim)

    def call(self, inputs):
        return self.second(self.first(inputs))

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}


@keras.saving.register_keras_serializable("test_save_and_load")
class Nested(keras.Model):
    """A subclassed model, with a list of layers and a layer of layers."""

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.first = Unbuilt(dim)
        self.rest = [keras.layers.BatchNormalization(), Built(dim)]

    def call(self, inputs, training=False):
        normalize, last = self.rest
        return last(normalize(self.first(inputs), training=training))

    def get_config(self):
        return {"dim": self.dim, "name": self.name}


@keras.saving.register_keras_serializable("test_save_and_load")
class Joined(keras.layers.Layer):
    """A generator or discriminator around a layer, of one input or two."""

    def __init__(self, inner, units=None, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.units = units
        self.output_layer = keras.layers.Dense(units) if units else None

    def call(self, inputs):
        if isinstance(inputs, (list, tuple)):
            inputs = keras.ops.concatenate(inputs, axis=-1)
        output = self.inner(inputs)
        return self.output_layer(output) if self.units else output

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner, "units": self.units}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config.pop("inner"))
        return cls(inner, **config)


def functional(dim):
    inputs = keras.Input((6,))
    x = keras.layers.Dense(dim, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Dense(dim)(x))


def sequential(dim):
    return keras.Sequential([Unbuilt(dim), keras.layers.Dense(dim)])


LAYERS = [Built, Unbuilt, Nested, functional, sequential]


def embedding_model(make, shared=False):
    encoder = make(6)
    encoders = {"image": encoder, "text": encoder if shared else make(6)}
    model = kx.EmbeddingModel(encoders=encoders, embedding_dim=4)
    model.compile("adam")
    return model


def vae_model(make, shared=False):
    encoder, decoder = make(6), keras.Sequential([keras.layers.Dense(6)])
    model = kx.VAEModel(
        latent_dim=6,
        encoders={"image": encoder, "text": encoder if shared else make(6)},
        decoders={"image": make(6), "text": decoder},
        objective="jmvae",
        joint_encoder=Unbuilt(5),
        seed=1,
    )
    model.compile("adam")
    return model


def gan_model(make):
    model = kx.GANModel(
        generator=Joined(Unbuilt(6)),
        discriminator=Joined(Unbuilt(6), units=1),
        condition_encoder=make(6),
        condition="image",
        target="text",
        latent_dim=3,
        seed=1,
    )
    model.compile("adam")
    return model


def cycle_gan_model(make):
    model = kx.CycleGANModel(
        generators={name: make(6) for name in X},
        discriminators={name: Joined(make(6), units=1) for name in X},
        seed=1,
    )
    model.compile()
    return model


MODELS = [embedding_model, vae_model, gan_model, cycle_gan_model]


def results(model):
    """What the parts of a model make of data."""
    if isinstance(model, kx.EmbeddingModel):
        return model.encode(X)
    if isinstance(model, kx.VAEModel):
        image = {"image": X["image"]}
        text = model.translate(image, to="text")
        return {"all": model.encode(X), "one": model.encode(image), "to": text}
    if isinstance(model, kx.GANModel):
        return {"text": model.generate(X["image"], seed=0)}
    return {
        "text": model.translate({"image": X["image"]}, to="text"),
        "image": model.translate({"text": X["text"]}, to="image"),
    }


def state(model):
    """Weights, optimizers included, and which of them train."""
    optimizers = [
        getattr(model, name, None)
        for name in (
            "optimizer",
            "generator_optimizer",
            "discriminator_optimizer",
        )
    ]
    variables = [
        *model.weights,
        *(v for o in optimizers if o is not None for v in o.variables),
    ]
    values = [np.asarray(v) for v in variables if v.dtype != "string"]
    return values, [w.trainable for w in model.weights]


def assert_equal(model, loaded):
    (values, trainable), (others, trainable_too) = state(model), state(loaded)
    assert trainable == trainable_too
    for value, other in zip(values, others, strict=True):
        np.testing.assert_array_equal(value, other)
    for name, value in results(model).items():
        np.testing.assert_allclose(value, results(loaded)[name], atol=1e-6)


def save_and_load(model, folder):
    path = str(folder / "model.keras")
    model.save(path)
    return keras.saving.load_model(path)


def fit(model):
    model.run_eagerly = True
    model.fit(X, batch_size=8, shuffle=False, verbose=0)


@pytest.mark.parametrize("make_layer", LAYERS, ids=lambda x: x.__name__)
@pytest.mark.parametrize("make_model", MODELS, ids=lambda x: x.__name__)
def test_own_layers_come_back(make_model, make_layer, tmp_path):
    model = make_model(make_layer)
    fit(model)
    loaded = save_and_load(model, tmp_path)
    assert_equal(model, loaded)
    # Both go on alike.
    fit(model)
    fit(loaded)
    assert_equal(model, loaded)


@pytest.mark.parametrize("make_layer", LAYERS, ids=lambda x: x.__name__)
@pytest.mark.parametrize(
    "make_model", [embedding_model, vae_model], ids=lambda x: x.__name__
)
def test_layer_of_two_modalities_is_still_one(make_model, make_layer, tmp_path):
    model = make_model(make_layer, shared=True)
    fit(model)
    loaded = save_and_load(model, tmp_path)
    assert loaded.encoders["image"] is loaded.encoders["text"]
    assert_equal(model, loaded)


@keras.saving.register_keras_serializable("test_save_and_load")
class Tokens(keras.layers.Layer):
    """An encoder that takes integers only."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=(9, 5), name="table")

    def call(self, ids):
        if "int" not in keras.backend.standardize_dtype(ids.dtype):
            raise TypeError(f"ids must be integers. Received: {ids.dtype}")
        return keras.ops.mean(keras.ops.take(self.table, ids, axis=0), axis=1)


def test_encoder_of_integers_comes_back(tmp_path):
    x = {"text": RNG.integers(9, size=(8, 3)), "image": X["image"][:8]}
    model = kx.EmbeddingModel(
        encoders={"text": Tokens(), "image": keras.layers.Dense(4)},
        embedding_dim=4,
    )
    before = model.encode(x)
    loaded = save_and_load(model, tmp_path)
    for name in x:
        np.testing.assert_array_equal(before[name], loaded.encode(x)[name])


class Hub:
    """The Hugging Face Hub, in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def HfApi(self, **options):  # noqa: N802
        return self

    def create_repo(self, name, exist_ok):
        return types.SimpleNamespace(repo_id=name)

    def upload_folder(self, repo_id, folder_path, commit_message):
        shutil.copytree(folder_path, self.folder / repo_id)

    def snapshot_download(self, repo_id, **options):
        return str(self.folder / repo_id)


def with_vocabulary(make_layer):
    text = kx.networks.TextPreprocessor(vocabulary=["red", "apple"])
    return kx.EmbeddingModel(
        encoders={
            "text": kx.networks.TextEncoder(text.vocabulary_size(), 4),
            "image": make_layer(4),
        },
        preprocessors={"text": text},
        embedding_dim=3,
    )


@pytest.mark.parametrize("make_model", [*MODELS, with_vocabulary])
def test_hugging_face_hub(make_model, tmp_path, monkeypatch):
    hub = Hub(tmp_path)
    monkeypatch.setattr("keras.src.saving.saving_lib.huggingface_hub", hub)
    model = make_model(keras.layers.Dense)
    if make_model is with_vocabulary:
        x = {"text": np.array(["an apple", "red"]), "image": X["image"][:2]}
        expected = model.encode(x)
    else:
        fit(model)
    model.save("hf://somebody/pictures")
    card = (tmp_path / "somebody" / "pictures" / "README.md").read_text()
    assert "library_name: keras" in card
    loaded = keras.saving.load_model("hf://somebody/pictures")
    if make_model is with_vocabulary:
        np.testing.assert_array_equal(
            loaded.encode(x)["text"], expected["text"]
        )
    else:
        assert_equal(model, loaded)


class FailsOnceSaved(keras.layers.Layer):
    def call(self, inputs):
        if not hasattr(self, "inner"):
            raise RuntimeError("no inner layer")
        return self.inner(inputs)


def test_load_that_cannot_build_raises(tmp_path):
    encoder = FailsOnceSaved()
    encoder.inner = keras.layers.Dense(4)
    model = kx.EmbeddingModel(
        encoders={"image": encoder, "text": keras.layers.Dense(4)},
        embedding_dim=4,
    )
    model(X)
    model.save(tmp_path / "model.keras")
    with pytest.raises(RuntimeError, match="no inner layer"):
        keras.saving.load_model(
            tmp_path / "model.keras",
            custom_objects={"FailsOnceSaved": FailsOnceSaved},
        )


# What is frozen.


def freeze_below(layer):
    """Freeze one of the layers inside, at the lowest level."""
    parts = [part for part in kx.saving.sublayers(layer) if part.weights]
    if not parts:
        layer.trainable = False
        return
    freeze_below(parts[0])


def frozen_part(model):
    if isinstance(model, kx.GANModel):
        return model.generator
    if isinstance(model, kx.CycleGANModel):
        return model.discriminators["text"]
    return model.encoders["text"]


@pytest.mark.parametrize("make_layer", LAYERS, ids=lambda x: x.__name__)
@pytest.mark.parametrize("make_model", MODELS, ids=lambda x: x.__name__)
def test_frozen_parts_stay_frozen(make_model, make_layer, tmp_path):
    model = make_model(make_layer)
    model.run_eagerly = True
    model.train_on_batch(X)
    freeze_below(frozen_part(model))
    model.compile()
    fit(model)
    loaded = save_and_load(model, tmp_path)
    assert_equal(model, loaded)
    frozen = [w for w in frozen_part(loaded).weights if not w.trainable]
    assert frozen
    before = [np.asarray(w) for w in frozen]
    fit(loaded)
    for weight, value in zip(frozen, before, strict=True):
        if "moving" not in weight.name:
            np.testing.assert_array_equal(weight, value)


def test_own_parts_of_a_model_stay_frozen(tmp_path):
    model = embedding_model(functional)
    model.projections["image"].trainable = False
    model.logit_scales["image_text"].trainable = False
    fit(model)
    assert_equal(model, save_and_load(model, tmp_path))


def test_one_frozen_weight_stays_frozen(tmp_path):
    model = vae_model(Unbuilt)
    fit(model)
    model.encoders["image"].first.kernel.trainable = False
    model.compile("adam")
    fit(model)
    assert_equal(model, save_and_load(model, tmp_path))


def test_frozen_in_another_process(tmp_path):
    """Names come from counters, which say something else there."""
    keras.layers.Dense(2)  # "dense" is taken.
    model = embedding_model(sequential)
    model(X)
    model.encoders["image"].layers[1].trainable = False
    model.save(tmp_path / "model.keras")
    script = (
        "import sys, keras, keras_xmodal\n"
        "from tests.models import test_save_and_load\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "first, last = model.encoders['image'].layers\n"
        "assert first.trainable and not last.trainable\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model.keras")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


# Adapters.


def test_adapters_stay(tmp_path):
    model = embedding_model(Nested)
    model(X)
    for part in model.encoders["image"].first, model.encoders["text"].first:
        part.first.enable_lora(2, lora_alpha=3)
        part.first.lora_kernel_b.assign(RNG.normal(size=(2, 6)))
    model.compile("adam")
    fit(model)
    before = model.encode(X)
    loaded = save_and_load(model, tmp_path)
    layer = loaded.encoders["image"].first.first
    assert (layer.lora_rank, layer.lora_alpha) == (2, 3)
    assert not layer._kernel.trainable
    assert [w.trainable for w in model.weights] == [
        w.trainable for w in loaded.weights
    ]
    for name, value in loaded.encode(X).items():
        np.testing.assert_allclose(value, before[name], atol=1e-6)
    # They train on, which two adapters of zeros cannot.
    fit(loaded)
    assert np.any(np.asarray(layer.lora_kernel_b))


# Keras' own export.


@pytest.mark.parametrize("make_model", MODELS, ids=lambda x: x.__name__)
def test_keras_export_after_fit(make_model, tmp_path):
    import tensorflow as tf

    model = make_model(functional)
    fit(model)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    x = X["image"] if isinstance(model, kx.GANModel) else X
    expected = model(x)
    output = served.serve(keras.tree.map_structure(tf.constant, x))
    for value, other in zip(
        keras.tree.flatten(expected), keras.tree.flatten(output), strict=True
    ):
        np.testing.assert_allclose(value, other, atol=1e-5)
