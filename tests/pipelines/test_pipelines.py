"""Pieces of pipelines, in this process."""

import builtins
import pickle
import sys

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.pipelines import engines
from tests.retrieval import corpora

TEXTS = corpora.texts()


@pytest.fixture(scope="module")
def model():
    return corpora.make_model()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return path


def test_batches_get_embeddings_beside_their_columns(model, path):
    embed = kx.pipelines.BatchEmbedder(path, {"text": "words", "size": "s"})
    sizes = corpora.sizes(4)
    batch = {
        "id": np.arange(4),
        "words": np.array(TEXTS[:4], object),
        "s": sizes,
    }
    embedded = embed(batch)
    assert list(embedded) == [*batch, "text_embedding", "size_embedding"]
    np.testing.assert_allclose(
        embedded["text_embedding"], model.encode(TEXTS[:4], "text"), atol=1e-6
    )
    np.testing.assert_allclose(
        embedded["size_embedding"], model.encode(sizes, "size"), atol=1e-6
    )
    with pytest.raises(ValueError, match=r"`columns\['text'\]` must be one of"):
        embed({"id": np.arange(4)})
    with pytest.raises(ValueError, match="`columns` must hold modalities"):
        kx.pipelines.BatchEmbedder(path, {"sound": "s"})


def test_an_engine_does_what_is_missing(path, tmp_path):
    asked = []

    def engine(work, numbers):
        asked.append(numbers)
        writer = engines.ShardWriter(pickle.loads(pickle.dumps(work)))
        for number in numbers:
            assert writer.write(number) == (16 if number < 3 else 12)
            assert writer.write(number) == 0  # It is there.

    source, out = {"text": TEXTS}, tmp_path / "out"
    options = {"shard_size": 16, "batch_size": 8}
    kx.retrieval.embed_corpus(
        path, source, out, num_workers=2, worker=1, verbose=0, **options
    )
    for _ in range(2):
        report = engines.embed_with(engine, path, source, out, options)
    assert asked == [[0, 2]]
    assert report["complete"]
    assert report["embedded"] == 0
    assert corpora.read(out)["text"][0].tolist() == list(range(corpora.ROWS))


ENGINES = ["embed_with_ray", "embed_with_beam"]


@pytest.mark.parametrize("name", ENGINES)
def test_what_engines_refuse(name, model, path, tmp_path):
    pytest.importorskip({"ray": "ray", "beam": "apache_beam"}[name[11:]])
    embed = getattr(kx.pipelines, name)
    source, out = {"text": TEXTS}, tmp_path / "out"
    with pytest.raises(TypeError, match="`model` must be a path"):
        embed(model, source, out)
    with pytest.raises(TypeError, match="The engine divides the work"):
        embed(path, source, out, worker=1)
    with pytest.raises(TypeError, match="`source` must be one that can be"):
        embed(path, [{"text": TEXTS}], out)
    with pytest.raises(ValueError, match="`shard_size` must be"):
        embed(path, source, out, shard_size=0)


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        (lambda p: kx.pipelines.embed_with_ray(p, {}, "out"), "ray"),
        (lambda p: kx.pipelines.embed_with_beam(p, {}, "out"), "beam"),
        (lambda p: kx.pipelines.beam_model_handler(p, "text"), "beam"),
        (lambda p: kx.retrieval.embed_corpus(p, {}, "out"), "parquet"),
    ],
)
def test_a_missing_package_is_named(call, extra, path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] in ("ray", "apache_beam", "pyarrow"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(
        sys.modules, "keras_xmodal.pipelines.beam_handlers", raising=False
    )
    monkeypatch.delattr(kx.pipelines, "beam_handlers", raising=False)
    with pytest.raises(ImportError, match=rf"keras-xmodal\[{extra}\]"):
        call(path)


def test_a_model_handler_of_beam(model, path):
    base = pytest.importorskip("apache_beam.ml.inference.base")
    handler = kx.pipelines.beam_model_handler(path, "text", batch_size=8)
    assert handler.batch_elements_kwargs()["max_batch_size"] == 8
    loaded = handler.load_model()
    results = list(handler.run_inference(TEXTS[:4], loaded))
    assert all(isinstance(r, base.PredictionResult) for r in results)
    assert [r.example for r in results] == TEXTS[:4]
    np.testing.assert_allclose(
        [r.inference for r in results],
        model.encode(TEXTS[:4], "text"),
        atol=1e-6,
    )
    handler = kx.pipelines.beam_model_handler(path, "sound")
    with pytest.raises(ValueError, match="`modality` must be one of"):
        handler.load_model()
