"""A C program loads the SavedModel as TensorFlow Serving does."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.export.report import compare
from keras_xmodal.export.signatures import find_signatures
from keras_xmodal.export.towers import find_towers
from tests.export import test_vae_export
from tests.export.c_client import Client, compile_client
from tests.export.conftest import TEXTS, make_model, pictures, png
from tests.export.test_gan_endpoints import make_gan

pytestmark = pytest.mark.large


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Path of the compiled program."""
    try:
        return compile_client(tmp_path_factory.mktemp("client"))
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def client(program, saved, tmp_path):
    with Client(program, saved[0], tmp_path) as client:
        yield client


def test_texts(client, model):
    (outputs, _) = client.run("embed_text_string", {"text": TEXTS})
    np.testing.assert_allclose(
        outputs["embedding"], model.encode(np.array(TEXTS), "text"), atol=1e-5
    )


@pytest.mark.parametrize("endpoint", ["embed_image_bytes", "serving_default"])
def test_picture_files(client, model, endpoint):
    (outputs, _) = client.run(
        endpoint, {"image": [png(picture) for picture in pictures()]}
    )
    expected = [model.encode(p[None], "image")[0] for p in pictures()]
    np.testing.assert_allclose(outputs["embedding"], expected, atol=1e-5)


def test_it_answers_after_a_file_that_is_no_picture(client, model):
    picture = pictures()[0]
    files = [png(picture), b"no picture"]
    with pytest.raises(RuntimeError, match="must be a JPEG, PNG"):
        client.run("embed_image_bytes", {"image": files})
    (outputs, _) = client.run("embed_image_bytes", {"image": files[:1]})
    expected = model.encode(picture[None], "image")
    np.testing.assert_allclose(outputs["embedding"], expected, atol=1e-5)


def pictures_and_texts():
    """Six pictures of a size, and texts that all have a known word."""
    image = np.stack([p for p in pictures() if p.shape[0] == 12] * 3)
    return {"image": image, "text": np.array([*TEXTS[:4], *TEXTS[:2]])}


def embedding():
    return make_model(), ["é", "b", "c", "d", "b", "f"], pictures_and_texts()


def speech_and_video():
    speech = kx.networks.SpeechPreprocessor(duration=0.2)
    video = kx.networks.VideoPreprocessor(4, (8, 8))
    small = {"hidden_dim": 8, "num_layers": 1, "num_heads": 2}
    model = kx.EmbeddingModel(
        encoders={
            "speech": kx.networks.SpeechEncoder(
                speech.num_frames, filters=(4,), **small
            ),
            "video": kx.networks.VideoEncoder(4, (8, 8), filters=(4,), **small),
        },
        embedding_dim=5,
        preprocessors={"speech": speech, "video": video},
    )
    rng = np.random.default_rng(0)
    rows = {"video": rng.integers(0, 256, (6, 3, 8, 8, 3)).astype("uint8")}
    model(
        {
            "speech": np.zeros((1, speech.num_frames, 40)),
            "video": np.zeros((1, 4, 8, 8, 3)),
        }
    )
    return model, np.arange(6).astype("uint16"), rows


def vae():
    ids = np.arange("2024-01-30", "2024-02-05", dtype="datetime64[D]")
    return test_vae_export.make_model(), ids, pictures_and_texts()


def gan():
    texts = kx.networks.TextPreprocessor(sequence_length=6)
    texts.adapt(TEXTS[:4])
    encoder = kx.networks.TextEncoder(texts.vocabulary_size(), 7)
    preprocessors = {"text": texts}
    model = make_gan(
        condition="text",
        target="image",
        condition_encoder=encoder,
        preprocessors=preprocessors,
    )
    model.build((None, 6))
    return model, None, None


def cycle_gan():
    def network(size, output):
        layers = [keras.Input((size,)), keras.layers.Dense(output)]
        return keras.Sequential(layers)

    raw = [keras.Input((5,), dtype="uint8"), keras.layers.Rescaling(0.1)]
    model = kx.CycleGANModel(
        generators={"photo": network(3, 5), "painting": network(5, 3)},
        discriminators={"photo": network(5, 1), "painting": network(3, 1)},
        preprocessors={"photo": keras.Sequential(raw)},
    )
    return model, None, None


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (embedding, 4 + 8),
        (speech_and_video, 4 + 4),
        (vae, 11 + 8),
        (gan, 4),
        (cycle_gan, 3),
    ],
)
def test_every_signature_equals_keras(make, count, program, tmp_path):
    keras.utils.set_random_seed(0)
    model, ids, rows = make()
    index = None
    if rows is not None:
        index = kx.retrieval.ExactIndex(model)
        index.add(rows, ids)
    path = tmp_path / "model" / "1"
    export.saved_model(model, path, search=index, k=4)
    further = () if index is None else index.endpoints(model, 4)
    towers = find_towers(model)
    signatures = find_signatures(model, towers, further=further, texts=True)
    assert len(signatures) == count
    with Client(program, path, tmp_path) as client:
        names = {signature.name for signature in signatures}
        assert set(client.signatures) == {*names, "serving_default"}
        runners = {
            name: lambda fed, name=name: client.run(name, fed)[0]
            for name in names
        }
        # It raises an error where they differ.
        report = compare(model, signatures, runners, ({}, None), 256, 1e-5)
    assert set(report["endpoints"]) == names


def test_a_wrong_answer_is_found(client, model):
    """What the test above rests on."""

    def run(fed):
        outputs, _ = client.run("embed_text", fed)
        return {"embedding": outputs["embedding"][::-1]}

    (signature,) = (
        s
        for s in find_signatures(model, find_towers(model))
        if s.name == "embed_text"
    )
    with pytest.raises(RuntimeError, match=r"'embed_text' must equal Keras"):
        compare(model, [signature], {"embed_text": run}, ({}, None), 4, 1e-5)
