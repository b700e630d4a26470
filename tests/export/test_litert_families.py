"""All families and modalities in all quantizations of LiteRT."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal import export
from tests.export import test_vae_export
from tests.export.conftest import TEXTS
from tests.export.test_gan_endpoints import make_gan

pytestmark = pytest.mark.large


def towers():
    generator = np.random.default_rng(0)
    networks = kx.networks
    attention = {"hidden_dim": 32, "num_layers": 1, "num_heads": 2}
    model = kx.EmbeddingModel(
        encoders={
            "image": networks.ImageEncoder((16, 16), filters=(16, 32)),
            "text": networks.TransformerTextEncoder(400, 6, **attention),
            "speech": networks.SpeechEncoder(20, filters=(16,), **attention),
            "video": networks.VideoEncoder(
                4, (8, 8), filters=(8, 16), **attention
            ),
        },
        embedding_dim=16,
    )
    x = {
        "image": generator.random((32, 16, 16, 3)),
        "speech": generator.normal(size=(32, 20, 40)),
        "video": generator.random((32, 4, 8, 8, 3)),
    }
    x = {name: value.astype("float32") for name, value in x.items()}
    x["text"] = generator.integers(0, 400, (32, 6)).astype("int32")
    return model, x


def vae():
    pictures = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 3))
    x = {"image": pictures.astype("uint8"), "text": np.array(TEXTS * 5)}
    return test_vae_export.make_model(), x


def gan():
    model = make_gan(condition="text", target="image")
    model.build((None, 6))
    return model, {"text": np.random.default_rng(0).random((32, 6), "float32")}


def gan_without_condition():
    return make_gan(conditional=False), None


def cycle_gan():
    translators = {
        name: keras.Sequential(
            [keras.Input((16, 16, 3)), kx.networks.ConvTranslator((8, 16), 1)]
        )
        for name in "ab"
    }
    judges = {name: kx.networks.ConvDiscriminator((8,)) for name in "ab"}
    picture = np.random.default_rng(0).random((16, 16, 16, 3), "float32")
    return kx.CycleGANModel(translators, judges), {"a": picture, "b": -picture}


@pytest.mark.parametrize(
    ("make", "quantization"),
    [
        (towers, None),
        (towers, "float16"),
        (towers, "int8"),
        (vae, "int8"),
        (gan, "float16"),
        (gan, "int8"),
        (gan_without_condition, "dynamic"),
        (gan_without_condition, "int8"),
        (cycle_gan, "dynamic"),
        (cycle_gan, "int8"),
    ],
)
def test_every_endpoint_is_written_and_right(make, quantization, tmp_path):
    """Each is compared with Keras at batches of 1, 64, 1 and 7."""
    keras.utils.set_random_seed(0)
    model, x = make()
    report = export.litert(
        model,
        tmp_path / "a",
        quantization=quantization,
        representative=x if quantization == "int8" else None,
    )
    names = {e.name.format(raw="") for e in model.endpoints("noise")}
    assert set(report["endpoints"]) == names
    limits = {None: 1e-5, "float16": 2e-3, "dynamic": 4e-2, "int8": 8e-2}
    assert report["max_abs_error"] <= limits[quantization]
    if "min_cosine" in report:
        assert report["min_cosine"] > 0.98
