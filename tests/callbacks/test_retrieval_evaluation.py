import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import EmbeddingModel
from keras_xmodal.callbacks import RetrievalEvaluation
from keras_xmodal.metrics import retrieval_report
from keras_xmodal.ops import diagnostics


def data(items=12, per_item=3, seed=0):
    """Images that come again with each of their captions."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(items, 6)).astype("float32")
    x = {
        "image": np.repeat(images, per_item, axis=0),
        "text": rng.normal(size=(items * per_item, 5)).astype("float32"),
    }
    return x, np.repeat(np.arange(items), per_item)


def make_model(compiled=True, **kwargs):
    keras.utils.set_random_seed(3)
    model = EmbeddingModel({"image": 6, "text": 5}, 4)
    if compiled:
        options = kwargs or {"run_eagerly": True}
        model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def test_evaluation_is_that_of_the_whole_set():
    x, ids = data()
    model = make_model(compiled=False)
    found = RetrievalEvaluation((x, ids), ks=(1, 5), batch_size=7).evaluate(
        model
    )
    images, image_ids = model.encode(x["image"][::3], "image"), ids[::3]
    texts = model.encode(x["text"], "text")
    expected, rsum = {}, 0
    for name, report in [
        ("image_to_text", retrieval_report(images, texts, image_ids, ids)),
        ("text_to_image", retrieval_report(texts, images, ids, image_ids)),
    ]:
        for key in ("R@1", "R@5", "MedR", "MRR"):
            expected[f"val_{name}_{key}"] = report[key]
        rsum += report["R@1"] + report["R@5"]
    expected["val_image_text_rsum"] = rsum
    expected["val_image_uniformity"] = diagnostics.uniformity(images)
    expected["val_text_uniformity"] = diagnostics.uniformity(texts)
    expected["val_image_text_modality_gap"] = diagnostics.modality_gap(
        images, texts
    )
    expected["val_image_text_alignment"] = diagnostics.alignment(
        np.repeat(images, 3, axis=0), texts
    )
    assert found.keys() == expected.keys()
    assert all(type(value) is float for value in found.values())
    for key, value in expected.items():
        assert found[key] == pytest.approx(float(value), rel=1e-4), key


def test_batching_changes_nothing():
    x, ids = data()
    model = make_model()
    whole = RetrievalEvaluation((x, ids)).evaluate(model)
    dataset = tf.data.Dataset.from_tensor_slices((x, ids)).shuffle(99, seed=1)
    for other in (dataset.batch(5), list(dataset.batch(36))):
        found = RetrievalEvaluation(other).evaluate(model)
        assert found == pytest.approx(whole, rel=1e-4)


def test_fit_logs_every_epoch_to_history_and_later_callbacks(tmp_path):
    class Later(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["val_image_to_text_R@1"])

    x, ids = data()
    seen, model = [], make_model()
    evaluation = RetrievalEvaluation((x, ids), ks=(1, 3))
    history = model.fit(
        x,
        ids,
        epochs=3,
        verbose=0,
        callbacks=[
            evaluation,
            Later(),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.keras",
                monitor="val_text_to_image_R@3",
                mode="max",
                save_best_only=True,
            ),
        ],
    ).history
    final = evaluation.evaluate(model)
    assert {
        f"val_{d}_{m}"
        for d in ("image_to_text", "text_to_image")
        for m in ("R@1", "R@3", "MedR", "MRR")
    } < set(history)
    for key, value in final.items():
        assert len(history[key]) == 3
        assert history[key][-1] == pytest.approx(value, rel=1e-5)
    assert seen == history["val_image_to_text_R@1"]
    assert (tmp_path / "best.keras").exists()


def test_progress_bar_shows_it(capsys):
    x, ids = data()
    evaluation = RetrievalEvaluation((x, ids), prefix="test_")
    make_model().fit(x, ids, verbose=2, callbacks=[evaluation])
    assert "test_image_to_text_R@1: " in capsys.readouterr().out


def test_tensorboard_writes_it(tmp_path):
    event_file_loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader"
    )
    x, ids = data()
    evaluation = RetrievalEvaluation((x, ids))
    history = (
        make_model()
        .fit(
            x,
            ids,
            epochs=2,
            verbose=0,
            callbacks=[evaluation, keras.callbacks.TensorBoard(tmp_path)],
        )
        .history
    )
    (path,) = pathlib.Path(tmp_path, "validation").iterdir()
    events = event_file_loader.EventFileLoader(str(path)).Load()
    values = [
        float(tf.make_ndarray(value.tensor))
        for event in events
        for value in event.summary.value
        if value.tag == "epoch_image_to_text_R@5"
    ]
    np.testing.assert_allclose(values, history["val_image_to_text_R@5"])


def test_frequency():
    """The first epoch, every second and the last; epoch 3 repeats."""
    x, ids = data()
    evaluation = RetrievalEvaluation((x, ids), frequency=2)
    history = make_model().fit(
        x, ids, epochs=5, verbose=0, callbacks=[evaluation]
    )
    values = history.history["val_image_text_alignment"]
    assert len(set(values)) == 4
    assert values[1] == values[2]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_model_compiles_once_per_modality(jit_compile):
    x, ids = data()
    model = make_model(jit_compile=jit_compile)
    traces = []
    call = model.call

    def count(x, training=False):
        if not training:
            traces.append(sorted(x))
        return call(x, training=training)

    model(x)
    model.call = count
    dataset = tf.data.Dataset.from_tensor_slices((x, ids)).batch(7)
    evaluation = RetrievalEvaluation(dataset, diagnostics=False)
    assert evaluation.evaluate(model) == evaluation.evaluate(model)
    assert sorted(traces) == [["image"], ["text"]]


def test_training_is_left_as_it_was():
    x, ids = data()
    weights = []
    for callbacks in ([], [RetrievalEvaluation((x, ids))]):
        model = make_model()
        model.fit(x, ids, epochs=2, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_collapsed_model_scores_nothing():
    x, ids = data()
    model = make_model()
    model(x)
    for projection in model.projections.values():
        projection.kernel.assign(projection.kernel * 0)
        projection.bias.assign(projection.bias + 1)
    found = RetrievalEvaluation((x, ids)).evaluate(model)
    assert found["val_text_to_image_R@10"] == 0
    assert found["val_text_to_image_MedR"] == 12
    assert found["val_image_uniformity"] == pytest.approx(0, abs=1e-5)


def test_embeddings_that_are_not_finite_give_nan():
    x, ids = data()
    model = make_model()
    model(x)
    model.projections["text"].bias.assign(np.full(4, np.nan))
    evaluation = RetrievalEvaluation((x, ids))
    with pytest.warns(UserWarning, match=r"not finite.*'text': 36"):
        found = evaluation.evaluate(model)
    assert np.isfinite(found.pop("val_image_uniformity"))
    assert np.isnan(list(found.values())).all()


def test_three_modalities_and_missing_rows():
    rng = np.random.default_rng(0)
    sizes = {"image": 6, "text": 5, "sound": 3}
    x = {name: rng.normal(size=(20, n)) for name, n in sizes.items()}
    weights = {"sound": (np.arange(20) < 8).astype("float32")}
    x["sound"][8:] = np.nan
    model = EmbeddingModel(
        sizes, 4, pairs=[("image", "text"), ("image", "sound")]
    )
    dataset = (x, np.arange(20), weights)
    found = RetrievalEvaluation(dataset, diagnostics=False).evaluate(model)
    assert "val_sound_to_image_R@1" in found
    assert "val_text_to_sound_R@1" not in found
    report = retrieval_report(
        model.encode(x["sound"][:8], "sound"),
        model.encode(x["image"], "image"),
        np.arange(8),
        np.arange(20),
    )
    assert found["val_sound_to_image_MRR"] == pytest.approx(report["MRR"])
    other = RetrievalEvaluation(dataset, pairs=[("text", "sound")], prefix="")
    assert "text_to_sound_R@1" in other.evaluate(model)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"ks": (0,)}, ValueError, "`ks` must be a tuple of"),
        ({"frequency": 0}, ValueError, "`frequency` must be a positive"),
        ({"frequency": 1.5}, TypeError, "`frequency` must be a positive"),
        ({"prefix": None}, TypeError, "`prefix` must be a string"),
        ({"pairs": [("image",)]}, ValueError, "`pairs` must be pairs"),
        ({"data": iter([])}, TypeError, "read once"),
    ],
)
def test_bad_arguments(change, error, match):
    with pytest.raises(error, match=match):
        RetrievalEvaluation(**{"data": data(), **change})


@pytest.mark.parametrize(
    ("dataset", "pairs", "match"),
    [
        ([], None, "must hold at least one batch"),
        (
            ({"image": np.zeros((0, 6)), "text": np.zeros((0, 5))}, []),
            None,
            "must hold at least one batch",
        ),
        (
            tf.data.Dataset.from_tensor_slices(data()).batch(4).take(0),
            None,
            "must hold at least one batch",
        ),
        (data(), [("image", "sound")], "`pairs` must name.*sound"),
        ({"sound": np.zeros((3, 2))}, None, "must hold the modalities"),
        ((data()[0], data()[1][:-1]), None, "`ids` must have shape"),
    ],
)
def test_bad_data_is_found_before_training(dataset, pairs, match):
    x, ids = data()
    model = make_model()
    model(x)
    before = model.get_weights()
    with pytest.raises(ValueError, match=match):
        model.fit(
            x, ids, verbose=0, callbacks=[RetrievalEvaluation(dataset, pairs)]
        )
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_modality_without_rows_or_ids_in_common():
    x, ids = data()
    model = make_model()
    model(x)
    with pytest.raises(ValueError, match=r"rows of each of .*none of \['text"):
        RetrievalEvaluation({"image": x["image"]}).evaluate(model)
    batches = [({"image": x["image"]}, ids), ({"text": x["text"]}, ids + 99)]
    with pytest.raises(ValueError, match="must have ids in common"):
        RetrievalEvaluation(batches).evaluate(model)


@pytest.mark.parametrize("kind", ["list", "array", "dataset"])
def test_files_keep_the_zeros_at_their_end(kind):
    contents = [bytes([i]) * 2 + bytes(2) for i in range(1, 7)]
    x = {"image": contents, "text": np.eye(6, dtype="float32")}
    if kind == "array":
        x["image"] = np.array(contents, object)
    ids = np.arange(6)

    class Bytes(keras.layers.Layer):
        def call(self, content):
            return keras.ops.cast(tf.io.decode_raw(content, "uint8"), "float32")

    model = kx.EmbeddingModel(
        encoders={
            "image": keras.layers.Dense(4),
            "text": keras.layers.Dense(4),
        },
        preprocessors={"image": Bytes()},
        embedding_dim=4,
    )
    data = (x, ids)
    if kind == "dataset":
        data = tf.data.Dataset.from_tensor_slices((x, ids)).batch(4)
    evaluation = RetrievalEvaluation(data, batch_size=4)
    assert np.isfinite(evaluation.evaluate(model)["val_image_to_text_MRR"])
