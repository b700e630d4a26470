"""A C program loads the SavedModel as TensorFlow Serving does."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.export.report import compare
from keras_xmodal.export.signatures import find_signatures
from keras_xmodal.export.towers import find_towers
from tests.export import families
from tests.export.c_client import Client, compile_client
from tests.export.conftest import TEXTS, pictures, png

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


@pytest.mark.parametrize(
    ("family", "ids", "count"),
    [
        ("embedding", ["é", "b", "c", "d", "b", "f", "g"], 8 + 8),
        ("spelling", None, 4),
        (
            "vae_image_text",
            np.arange("2024-01-30", "2024-02-06", dtype="datetime64[D]"),
            11 + 4,
        ),
        ("gan_video_text", None, 4),
        ("cycle_gan_photos", None, 4),
    ],
)
def test_every_signature_equals_keras(family, ids, count, program, tmp_path):
    keras.utils.set_random_seed(0)
    model = families.FAMILIES[family][0]()
    index = None
    if ids is not None:
        index = kx.retrieval.ExactIndex(model)
        index.add({"text": families.rows("text")[0]}, ids)
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
