import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.export.signatures import find_signatures
from keras_xmodal.export.towers import find_towers
from tests.export.conftest import TEXTS, png

layers = keras.layers


def one_modality(encoder, preprocessor=None, name="a"):
    return kx.EmbeddingModel(
        encoders={name: encoder},
        embedding_dim=4,
        preprocessors=None if preprocessor is None else {name: preprocessor},
    )


def tokens_encoder(dtype="int32", length=5):
    return keras.Sequential(
        [
            keras.Input((length,), dtype=dtype),
            layers.Embedding(30, 8),
            layers.GlobalAveragePooling1D(),
        ]
    )


def pictures_encoder(size):
    return keras.Sequential(
        [
            keras.Input(size),
            layers.Conv2D(4, 2),
            layers.GlobalAveragePooling2D(),
        ]
    )


class Tower(layers.Layer):
    """An encoder that declares no input."""

    def build(self, input_shape):
        self.embedding = layers.Embedding(9, 6)
        self.embedding.build(input_shape)

    def call(self, x):
        return keras.ops.mean(self.embedding(x), axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 6)


def serve(path, name, x):
    signature = tf.saved_model.load(str(path)).signatures[name]
    return signature(a=tf.constant(x))["embedding"].numpy()


def test_plain_keras_text_vectorization(tmp_path):
    texts = layers.TextVectorization(output_sequence_length=5)
    texts.adapt(TEXTS)
    model = one_modality(tokens_encoder(), texts)
    report = export.saved_model(model, tmp_path / "a")
    assert report["endpoints"]["embed_a"]["input"]["dtype"] == "int64"
    np.testing.assert_allclose(
        serve(tmp_path / "a", "embed_a_string", TEXTS),
        model.encode(np.array(TEXTS), "a"),
        atol=1e-5,
    )


def test_strings_declared_by_a_functional_preprocessor(tmp_path):
    inputs = keras.Input((1,), dtype="string")
    texts = layers.TextVectorization(
        output_sequence_length=5, vocabulary=["red", "green"]
    )
    preprocessor = keras.Model(inputs, texts(inputs))
    model = one_modality(tokens_encoder(), preprocessor)
    export.saved_model(model, tmp_path / "a")
    words = np.array([["red"], ["green red"]])
    report = export.saved_model(model, tmp_path / "b", ({"a": words}, [0, 1]))
    assert report["endpoints"]["embed_a_string"]["num_examples"] == 2
    np.testing.assert_allclose(
        serve(tmp_path / "a", "embed_a_string", words[:, 0]),
        model.encode(words, "a"),
        atol=1e-5,
    )


def test_lookup_table_within_an_encoder(tmp_path):
    words = keras.Sequential(
        [
            layers.StringLookup(vocabulary=["red", "green"]),
            layers.Embedding(3, 8),
        ]
    )
    model = one_modality(
        keras.Sequential([keras.Input((), dtype="string"), words])
    )
    export.saved_model(model, tmp_path / "a")
    x = np.array(["green", "blue"])
    np.testing.assert_allclose(
        serve(tmp_path / "a", "embed_a", x), model({"a": x})["a"], atol=1e-5
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_with_plain_keras_layers(channels, tmp_path):
    # Of a fixed size where the preprocessor does not resize.
    generator = np.random.default_rng(0)
    for resize in (False, True):
        steps = [layers.Rescaling(1 / 255)]
        if resize:
            steps.insert(0, layers.Resizing(6, 8))
        model = one_modality(
            pictures_encoder((6, 8, channels)), keras.Sequential(steps)
        )
        path = tmp_path / str(resize)
        report = export.saved_model(model, path)
        assert report["endpoints"]["embed_a_bytes"]["max_abs_error"] <= 1e-5
        size = (9, 5) if resize else (6, 8)
        x = generator.integers(0, 256, (2, *size, channels)).astype("uint8")
        np.testing.assert_allclose(
            serve(path, "embed_a_bytes", [png(p) for p in x]),
            model.encode(x, "a"),
            atol=1e-5,
        )
        if not resize:
            with pytest.raises(tf.errors.InvalidArgumentError):
                serve(path, "embed_a_bytes", [png(x[0, :4])])


def test_other_raw_input_declared_or_shown(tmp_path):
    scale = layers.Rescaling(0.5)
    declared = keras.Sequential([keras.Input((3,), dtype="uint8"), scale])
    encoder = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    x = np.array([[1, 2, 3], [4, 5, 6]], "uint8")
    cases = {
        "declared": (declared, None),
        "shown": (scale, ({"a": x}, [0, 1])),
    }
    for name, (preprocessor, evaluation) in cases.items():
        model = one_modality(encoder, preprocessor)
        report = export.saved_model(model, tmp_path / name, evaluation)
        assert report["endpoints"]["embed_a_raw"]["input"] == {
            "name": "a",
            "shape": [None, 3],
            "dtype": "uint8",
        }
        np.testing.assert_allclose(
            serve(tmp_path / name, "embed_a_raw", x),
            model.encode(x, "a"),
            atol=1e-5,
        )
    model = one_modality(encoder, layers.Rescaling(0.5))
    report = export.saved_model(model, tmp_path / "unknown")
    assert list(report["endpoints"]) == ["embed_a"]


def test_picture_files_as_evaluation_set(tmp_path):
    preprocessor = kx.networks.ImagePreprocessor((6, 8))
    model = one_modality(pictures_encoder((6, 8, 3)), preprocessor)
    x = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3)).astype("uint8")
    files = [png(picture) for picture in x]
    report = export.saved_model(model, tmp_path / "a", ({"a": files}, range(3)))
    assert report["endpoints"]["embed_a_bytes"]["num_examples"] == 3
    report = export.litert(model, tmp_path / "b", ({"a": files}, range(3)))
    assert report["max_abs_error"] <= 1e-5
    # Floats are rounded to 8 bits for the bytes, and left alone elsewhere.
    floats = {"a": x / 254.0}
    floats["a"][:, 0] = 0.0
    floats["a"] = np.minimum(floats["a"], 1.0)
    report = export.saved_model(model, tmp_path / "c", (floats, range(3)))
    assert report["max_abs_error"] <= 1e-5


def test_input_that_is_not_declared(tmp_path):
    model = one_modality(Tower())
    rule = r"encoder of 'a' is not declared.*`input_signature=\{'a'.*Received"
    with pytest.raises(ValueError, match=rule):
        export.saved_model(model, tmp_path / "a")
    signature = {"a": tf.TensorSpec((None, 5), tf.int32)}
    report = export.saved_model(
        model, tmp_path / "a", input_signature=signature
    )
    assert report["endpoints"]["embed_a"]["input"]["dtype"] == "int32"
    with pytest.raises(ValueError, match=r"`input_signature`.*\['b'\]"):
        find_towers(model, input_signature={"b": signature["a"]})
    # The evaluation set and the preprocessor tell as well.
    x = {"a": np.array([[1, 2, 3], [4, 5, 8]])}
    report = export.saved_model(
        one_modality(Tower()), tmp_path / "b", (x, [0, 1])
    )
    assert report["endpoints"]["embed_a"]["input"] == {
        "name": "a",
        "shape": [None, 3],
        "dtype": "int64",
    }
    texts = kx.networks.TextPreprocessor(
        sequence_length=7, vocabulary=["red", "green"]
    )
    (tower,) = find_towers(one_modality(Tower(), texts))
    assert tower.tensor == tf.TensorSpec((None, 7), tf.int32, "a")


def test_names_of_modalities():
    for name in ("my image", "1st", "größe"):
        with pytest.raises(ValueError, match=f"names of modalit.*{name!r}"):
            kx.EmbeddingModel({name: 3, "b": 3}, 2)
    texts = kx.networks.TextPreprocessor(vocabulary=["red"])
    model = kx.EmbeddingModel(
        encoders={
            "a": tokens_encoder(length=None),
            "a_string": layers.Dense(2),
        },
        preprocessors={"a": texts},
        embedding_dim=2,
    )
    signature = {"a_string": tf.TensorSpec((None, 3), tf.float32)}
    with pytest.raises(ValueError, match=r"different names.*'embed_a_string'"):
        find_signatures(model, find_towers(model, input_signature=signature))


def test_strings_where_numbers_are_due():
    model = one_modality(tokens_encoder())
    with pytest.raises(TypeError, match=r"`evaluation`.*'a'.*int32.*strings"):
        export.saved_model(model, "a", ({"a": TEXTS}, range(len(TEXTS))))


def test_preprocessor_without_a_vocabulary(tmp_path):
    model = one_modality(tokens_encoder(), kx.networks.TextPreprocessor())
    with pytest.raises(ValueError, match="has no vocabulary"):
        export.saved_model(model, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
