import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from tests.helpers import check_model, check_same_training

RNG = np.random.default_rng(0)
IDS = np.array([0, 1, 2, 3, 4, 5, 6, 6])


def image_encoder():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(6, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
        ]
    )


def text_encoder():
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            keras.layers.Embedding(50, 12),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )


def make_model(**kwargs):
    return kx.EmbeddingModel(
        encoders={"image": image_encoder(), "text": text_encoder()},
        embedding_dim=16,
        **kwargs,
    )


def make_data(n=8):
    return {
        "image": RNG.random((n, 8, 8, 3), "float32"),
        "text": RNG.integers(50, size=(n, 5)),
    }


@pytest.mark.parametrize("loss", ["info_nce", "sigmoid_contrastive"])
def test_trains_saves_and_resumes(loss, tmp_path):
    check_model(make_model, make_data(), IDS, tmp_path, loss=loss)


@pytest.mark.large
@pytest.mark.parametrize("loss", ["info_nce", "sigmoid_contrastive"])
def test_trains_alike_with_xla_and_eagerly(loss):
    x = make_data()

    def train(**options):
        model = make_model()
        model.compile("adam", loss, **options)
        return model, model.fit(
            x, IDS, epochs=5, batch_size=4, shuffle=False, verbose=0
        ).history

    check_same_training(train)


def test_embeddings_have_unit_length_and_keep_the_order_of_encoders():
    model = make_model()
    y = model(dict(reversed(make_data().items())))
    assert list(y) == ["image", "text"]
    for value in y.values():
        assert value.shape == (8, 16)
        np.testing.assert_allclose(np.linalg.norm(value, axis=1), 1, rtol=1e-5)


def test_a_subset_of_modalities_is_embedded_alike():
    model, x = make_model(), make_data()
    both = model(x)
    alone = model({"text": x["text"]})
    assert list(alone) == ["text"]
    np.testing.assert_array_equal(alone["text"], both["text"])


def test_first_batch_may_lack_a_modality():
    model, x = make_model(), make_data()
    model({"text": x["text"]})
    assert model({"image": x["image"]})["image"].shape == (8, 16)


def test_loss_is_the_loss_of_the_outputs_in_one_forward_pass():
    model, x = make_model(), make_data()
    model.compile("sgd", kx.losses.InfoNCE())
    y_pred = model(x)
    expected = kx.losses.InfoNCE()(
        IDS,
        keras.ops.matmul(y_pred["image"], keras.ops.transpose(y_pred["text"]))
        / 0.07,
    )
    # `x` is not looked at: encoding it again would fail.
    value = model.compute_loss(None, IDS, y_pred)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_evaluate_reports_the_loss_of_the_model():
    model, x = make_model(), make_data()
    model.compile("sgd")
    expected = float(model.compute_loss(x, IDS, model(x)))
    assert model.evaluate(x, IDS, verbose=0) == pytest.approx(expected, 1e-4)


def fit_and_get_weights(x, ids, sample_weight):
    keras.utils.set_random_seed(0)
    model = make_model()
    # Tracing a graph takes longer than the few steps of most tests here.
    model.compile("sgd", run_eagerly=True)
    history = model.fit(
        x, ids, epochs=3, batch_size=8, sample_weight=sample_weight, verbose=0
    )
    return history.history["loss"], model.get_weights()


def assert_same_training(a, b):
    np.testing.assert_allclose(a[0], b[0], rtol=1e-4)
    for u, v in zip(a[1], b[1], strict=True):
        np.testing.assert_allclose(u, v, atol=1e-5)


def test_what_a_missing_cell_holds_does_not_matter():
    weight = {"image": np.array([1, 1, 1, 1, 1, 0, 0, 1], "float32")}
    x = make_data()
    other = {**x, "image": x["image"].copy()}
    other["image"][5:7] = 100.0
    assert_same_training(
        fit_and_get_weights(x, IDS, weight),
        fit_and_get_weights(other, IDS, weight),
    )


def test_an_example_without_any_modality_changes_nothing():
    x = make_data()
    weight = np.array([1, 1, 1, 1, 1, 1, 0, 0], "float32")
    kept = {k: v[:6] for k, v in x.items()}
    expected = fit_and_get_weights(kept, IDS[:6], None)
    assert_same_training(fit_and_get_weights(x, IDS, weight), expected)
    assert_same_training(
        fit_and_get_weights(x, None, {"image": weight, "text": weight}),
        expected,
    )


def test_a_text_without_its_image_is_still_a_negative():
    model, x = make_model(), make_data()
    model.compile("sgd")
    y_pred = model(x)
    alone = {"image": np.array([1, 1, 1, 1, 1, 1, 0, 1.0])}
    none = {**alone, "text": alone["image"]}
    ids = np.arange(8)
    # Weight 0 on the text as well takes a negative away.
    assert float(model.compute_loss(x, ids, y_pred, none)) < float(
        model.compute_loss(x, ids, y_pred, alone)
    )


def test_three_modalities_with_declared_pairs():
    dims = {"image": 6, "text": 4, "speech": 3}
    model = kx.EmbeddingModel(
        dims, 5, pairs=[("image", "text"), ("image", "speech")]
    )
    model.compile("adam", run_eagerly=True)
    x = {k: RNG.normal(size=(8, d)) for k, d in dims.items()}
    history = model.fit(x, verbose=0).history
    parts = history["image_text_loss"][0], history["image_speech_loss"][0]
    assert history["loss"][0] == pytest.approx(np.mean(parts), rel=1e-5)
    assert "text_speech_loss" not in history
    # A batch may lack a modality; the pairs that are there are trained.
    with pytest.warns(UserWarning, match="do not exist.*speech_projection"):
        model.fit({k: x[k] for k in ("image", "text")}, verbose=0)
    with pytest.raises(ValueError, match="both modalities of a pair"):
        model.fit({k: x[k] for k in ("text", "speech")}, verbose=0)


def test_default_pairs_are_all_pairs():
    model = kx.EmbeddingModel({"a": 2, "b": 2, "c": 2}, 4)
    assert list(model.pairs) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_ids_mark_several_positives():
    """Two texts of one image: both are right answers."""
    model = kx.EmbeddingModel({"image": 4, "text": 6}, 3)
    model.compile(keras.optimizers.Adam(0.05))
    x = {"image": np.eye(4)[[0, 1, 2, 2]], "text": np.eye(6)[:4]}
    model.fit(x, np.array([0, 1, 2, 2]), epochs=150, verbose=0)
    similarity = model.similarity(
        {"image": np.eye(4)[2:3]}, {"text": x["text"]}
    )
    assert set(np.argsort(-similarity[0])[:2]) == {2, 3}


def test_temperature_starts_where_the_loss_says_unless_told():
    def start(loss, **kwargs):
        model = make_model(**kwargs)
        model.compile(loss=loss)
        scale = model.logit_scales["image_text"]
        return float(np.exp(scale.log_scale)), float(scale.logit_bias)

    assert start("info_nce") == pytest.approx((1 / 0.07, 0))
    assert start("sigmoid_contrastive") == pytest.approx((10, -10))
    told = start("sigmoid_contrastive", temperature=0.5, bias=-3.0)
    assert told == pytest.approx((2, -3))


def test_what_was_learned_survives_a_new_compile():
    model, x = make_model(), make_data()
    model.compile(
        keras.optimizers.SGD(0.1), "sigmoid_contrastive", run_eagerly=True
    )
    model.fit(x, IDS, epochs=2, verbose=0)
    learned = model.logit_scales["image_text"].get_weights()
    model.compile("adam", "info_nce")
    np.testing.assert_array_equal(
        model.logit_scales["image_text"].get_weights(), learned
    )


def test_temperature_has_no_weight_decay_and_keeps_other_exclusions():
    model, x = make_model(), make_data()
    optimizer = keras.optimizers.AdamW(learning_rate=0.1, weight_decay=5.0)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer)
    model(x)
    bias = model.projections["text"].bias
    bias.assign(keras.ops.ones_like(bias))
    before = model.logit_scales["image_text"].get_weights()
    kernel = model.projections["text"].kernel.numpy()
    # One example alone has no gradient: only weight decay could act.
    model.fit(x, sample_weight=1.0 * (np.arange(8) == 0), verbose=0)
    after = model.logit_scales["image_text"].get_weights()
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(bias.numpy(), 1)
    assert np.abs(model.projections["text"].kernel.numpy() - kernel).max() > 0


def test_triplet_losses_leave_the_temperature_out(tmp_path):
    def make():
        return kx.EmbeddingModel({"image": 4, "text": 4}, 8)

    x = {"image": RNG.normal(size=(8, 4)), "text": RNG.normal(size=(8, 4))}
    loss = kx.losses.TripletAllNegatives()
    model = check_model(make, x, IDS, tmp_path, loss=loss)
    assert len(model.trainable_weights) == 4


def test_frozen_encoder_stays_and_runs_in_inference_mode():
    frozen = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5, seed=0),
            keras.layers.Dense(4),
        ]
    )
    frozen.trainable = False
    model = kx.EmbeddingModel(
        encoders={"image": frozen, "text": text_encoder()}, embedding_dim=4
    )
    model.compile("adam", run_eagerly=True)
    x = make_data()
    before = frozen.get_weights()
    model.fit(x, IDS, epochs=2, verbose=0)
    for a, b in zip(frozen.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(
        model(x, training=True)["image"], model(x, training=False)["image"]
    )


def test_partly_frozen_encoder_is_still_so_after_loading(tmp_path):
    model, x = make_model(), make_data()
    model.encoders["image"].layers[0].trainable = False
    model.compile("adam", run_eagerly=True)
    model.fit(x, IDS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    layers = loaded.encoders["image"].layers
    assert [layer.trainable for layer in layers] == [False, True]
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


def test_partly_frozen_library_encoder_is_still_so_after_loading(tmp_path):
    """Its config is its own arguments, which do not say what is frozen."""
    encoder = kx.networks.ImageEncoder((8, 8), filters=(4,), dropout=0.0)
    frozen = encoder.get_layer("stage_0_convolution")
    frozen.trainable = False
    model = kx.EmbeddingModel(
        encoders={"image": encoder, "text": text_encoder()}, embedding_dim=4
    )
    model.compile("adam", run_eagerly=True)
    x = make_data()
    model.fit(x, IDS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    layer = loaded.encoders["image"].get_layer("stage_0_convolution")
    assert not layer.trainable
    resumed = [m.fit(x, IDS, verbose=0).history for m in (model, loaded)]
    assert resumed[0] == resumed[1]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    model = kx.EmbeddingModel({"a": 6, "b": 4}, 8, dtype=policy)
    assert model.projections["a"].compute_dtype == policy[6:]
    model.compile("adam")
    x = {"a": RNG.normal(size=(8, 6)), "b": RNG.normal(size=(8, 4))}
    losses = model.fit(x, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    embedding = model.predict(x, verbose=0)["a"]
    assert embedding.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=1e-5)


def test_without_projection_encoders_return_the_embedding():
    def encoder():
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])

    model = kx.EmbeddingModel(
        encoders={"a": encoder(), "b": encoder()}, embedding_dim=None
    )
    x = {"a": np.ones((2, 3)), "b": np.ones((2, 3))}
    assert model(x)["a"].shape == (2, 4)
    assert len(model.encoders["a"].weights) == 2
    bad = kx.EmbeddingModel(
        encoders={"a": encoder(), "b": keras.layers.Identity()},
        embedding_dim=None,
    )
    with pytest.raises(ValueError, match="features of equal size"):
        bad(x)


def test_unbuilt_encoders_are_built_by_the_first_batch(tmp_path):
    def make():
        return kx.EmbeddingModel(
            encoders={
                "a": keras.layers.Dense(3),
                "b": keras.Sequential([keras.layers.Dense(7)]),
            },
            embedding_dim=4,
        )

    x = {"a": np.ones((2, 3)), "b": np.ones((2, 5))}
    model = make()
    model(x)
    assert model({"b": np.ones((7, 5))})["b"].shape == (7, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x)["b"], model(x)["b"])

    partly = make()
    partly({"a": x["a"]})
    with pytest.raises(ValueError, match="held no 'b'"):
        partly(x)


class TestPreprocessors:
    def make(self):
        text = keras.layers.TextVectorization(output_sequence_length=5)
        text.adapt(["red apple", "green apple"])
        return make_model(
            preprocessors={
                "text": text,
                "image": keras.layers.Rescaling(1 / 255),
            }
        )

    def raw(self):
        return {
            "image": RNG.integers(256, size=(3, 8, 8, 3), dtype="uint8"),
            "text": np.array(["red", "green apple", "apple"]),
        }

    def test_encode_takes_raw_input(self):
        model, raw = self.make(), self.raw()
        expected = model(model.preprocess(raw))
        encoded = model.encode(raw, batch_size=2)
        for name in raw:
            np.testing.assert_allclose(encoded[name], expected[name], atol=1e-6)
        one = model.encode(["red", "green apple"], "text")
        np.testing.assert_allclose(one, encoded["text"][:2], atol=1e-6)

    def test_dataset_is_preprocessed_and_keeps_its_ids(self):
        model, raw = self.make(), self.raw()
        dataset = tf.data.Dataset.from_tensor_slices((raw, np.arange(3)))
        x, ids = next(iter(model.preprocess(dataset.batch(3))))
        np.testing.assert_array_equal(ids, [0, 1, 2])
        np.testing.assert_allclose(x["image"], raw["image"] / 255, rtol=1e-6)
        encoded = model.encode(dataset.batch(2))
        np.testing.assert_allclose(
            encoded["text"], model.encode(raw)["text"], atol=1e-6
        )

    def test_augmentation_applies_in_training_only(self):
        noise = keras.layers.GaussianNoise(1.0, seed=0)
        model = make_model(preprocessors={"image": noise})
        x = {"image": np.zeros((1, 8, 8, 3), "float32")}
        assert np.all(model.preprocess(x)["image"] == 0)
        assert np.any(model.preprocess(x, training=True)["image"] != 0)

    @pytest.mark.large
    def test_augmented_batches_repeat_exactly_where_asked_to(self):
        # In a process of its own: the switch cannot be turned back.
        code = """
import keras, numpy as np, tensorflow as tf
import keras_xmodal as kx

tf.config.experimental.enable_op_determinism()
x = {"a": np.random.default_rng(0).random((64, 4, 4, 3), "float32")}

def passes():
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel(
        encoders={"a": keras.layers.Flatten(), "b": keras.layers.Flatten()},
        embedding_dim=2,
        preprocessors={"a": kx.layers.ImageAugmentation(seed=0)},
    )
    data = tf.data.Dataset.from_tensor_slices(x).batch(1)
    data = model.preprocess(data, training=True)
    return np.array([[batch["a"] for batch in data] for _ in range(2)])

first, *others = [passes() for _ in range(3)]
assert np.any(first[0] != first[1])
for other in others:
    np.testing.assert_array_equal(other, first)
"""
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_vocabulary_is_saved_with_the_model(self, tmp_path):
        model, raw = self.make(), self.raw()
        expected = model.encode(raw)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert loaded.preprocessors["text"].get_vocabulary() == [
            "", "[UNK]", "apple", "red", "green",
        ]  # fmt: skip
        for name, value in loaded.encode(raw).items():
            np.testing.assert_array_equal(value, expected[name])

    def test_lookup_tables_do_not_switch_xla_off(self):
        model = self.make()
        model.compile(jit_compile=True)
        assert model.jit_compile

    def test_similarity(self):
        model, raw = self.make(), self.raw()
        matrix = model.similarity({"image": raw["image"]}, {"text": ["red"]})
        assert matrix.shape == (3, 1)
        encoded = model.encode(raw)
        np.testing.assert_allclose(
            model.similarity(encoded["image"], encoded["image"]).diagonal(),
            1,
            rtol=1e-5,
        )


class TestChapter:
    """The faults of the textbook's EmbeddingModel, and their cures."""

    def test_similarities_are_cosines(self):
        """Rounding takes products of unit vectors beyond 1."""
        x = np.random.default_rng(0).normal(size=(300, 512)).astype("float32")
        model = kx.EmbeddingModel(8, 4)
        matrix = model.similarity(x, np.concatenate([x, -x]))
        assert matrix.max() == 1
        assert matrix.min() == -1
        assert np.isfinite(np.arccos(matrix)).all()

    def test_the_call_gives_batch_by_embedding_dim(self):
        # `W @ x` has the wrong order for rows: (32, 16) @ (3, 32) fails.
        x = RNG.normal(size=(3, 32)).astype("float32")
        model = kx.EmbeddingModel(32, 16)
        assert model(x).shape == (3, 16)
        kernel, bias = model.get_weights()
        assert kernel.shape == (32, 16)
        np.testing.assert_allclose(model(x), x @ kernel + bias, atol=1e-5)

    def test_weights_are_tracked(self):
        # A bare list of `tf.Variable`s gave no trainable weight.
        model = kx.EmbeddingModel(32, 16)
        model(np.zeros((1, 32)))
        assert len(model.trainable_weights) == 2

    def test_it_trains(self, tmp_path):
        x = RNG.normal(size=(16, 6)).astype("float32")
        target = x @ RNG.normal(size=(6, 3)).astype("float32")
        check_model(
            lambda: kx.EmbeddingModel(6, 3), x, target, tmp_path, loss="mse"
        )

    def test_it_can_be_saved(self, tmp_path):
        model = kx.EmbeddingModel(32, 16)
        x = np.ones((2, 32))
        expected = model(x)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(loaded(x), expected)

    def test_dicts_of_dims_embed_several_modalities(self):
        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        y = model({"image": np.ones((2, 12)), "text": np.ones((2, 7))})
        assert {k: v.shape for k, v in y.items()} == {
            "image": (2, 4),
            "text": (2, 4),
        }


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({}, ValueError, "either `input_dim` or `encoders`"),
        ({"input_dim": 0}, ValueError, "input_dim=0"),
        ({"input_dim": 3, "embedding_dim": -1}, ValueError, "embedding_dim=-1"),
        (
            {"input_dim": 3.5},
            TypeError,
            "`input_dim` must be a positive integer",
        ),
        ({"input_dim": {"a": 0}}, ValueError, r"input_dim\['a'\]=0"),
        ({"input_dim": {}}, ValueError, "at least one modality"),
        ({"input_dim": 3, "embedding_dim": None}, ValueError, "only with"),
        ({"encoders": {"a": "resnet"}}, TypeError, "must be a Keras layer"),
        ({"encoders": [1]}, TypeError, "must be a dict"),
        (
            {"input_dim": {"a": 1, "b": 1}, "pairs": [("a", "c")]},
            ValueError,
            r"pairs=\[\('a', 'c'\)\]",
        ),
        (
            {"input_dim": {"a": 1, "b": 1}, "pairs": [("a", "b"), ("b", "a")]},
            ValueError,
            "each pair once",
        ),
        (
            {
                "input_dim": {"a": 1, "b": 1},
                "preprocessors": {"c": keras.layers.Identity()},
            },
            ValueError,
            "`preprocessors` must hold modalities",
        ),
        (
            {"input_dim": {"a": 1, "b": 1}, "temperature": 5},
            ValueError,
            "temperature=5",
        ),
    ],
)
def test_wrong_arguments(kwargs, error, match):
    with pytest.raises(error, match=match):
        kx.EmbeddingModel(**kwargs)


def bad(**changes):
    return {**make_data(), **changes}


@pytest.mark.parametrize(
    ("x", "kwargs", "error", "match"),
    [
        (bad(sound=np.ones(8)), {}, ValueError, "keys .*'sound'"),
        ({}, {}, ValueError, "at least one"),
        (bad(text=np.ones((7, 5), int)), {}, ValueError, "'text': 7"),
        (
            {k: v[:0] for k, v in make_data().items()},
            {},
            ValueError,
            "at least 1",
        ),
        (
            bad(image=np.full((8, 8, 8, 3), np.nan)),
            {},
            ValueError,
            r"`x\['image'\]` must be finite.*8 of 8 examples",
        ),
        (make_data(), {"y": np.arange(5)}, ValueError, "8.*5"),
        (make_data(), {"y": np.ones(8)}, TypeError, "y of dtype float64"),
        (make_data(), {"y": np.ones((8, 2), int)}, ValueError, r"\(8, 2\)"),
        (
            make_data(),
            {"sample_weight": {"sound": np.ones(8)}},
            ValueError,
            "`sample_weight` must hold modalities",
        ),
        (
            make_data(),
            {"sample_weight": {"text": -np.ones(8)}},
            ValueError,
            r"`sample_weight\['text'\]` must not be negative",
        ),
        (bad(image=np.ones((8, 8, 8))), {}, ValueError, r"`x\['image'\]` must"),
        (bad(image=np.ones((8, 9, 8, 3))), {}, ValueError, r"9, 8, 3\)"),
    ],
)
def test_wrong_data_is_refused_before_training(x, kwargs, error, match):
    model = make_model()
    model.compile("adam")
    with pytest.raises(error, match=match):
        model.fit(x, verbose=0, **kwargs)
    assert int(model.optimizer.iterations) == 0


def test_wrong_datasets_are_refused():
    model = make_model()
    model.compile("adam")
    dataset = tf.data.Dataset.from_tensor_slices(make_data()).batch(4)
    with pytest.raises(ValueError, match="at least one batch"):
        model.fit(dataset.take(0))
    with pytest.raises(ValueError, match="'sound'"):
        model.fit(dataset.map(lambda x: {"sound": x["text"]}))
    with pytest.raises(TypeError, match="must be a dict"):
        model.fit(dataset.map(lambda x: x["text"]))


def test_wrong_compile_arguments():
    model = make_model()
    with pytest.raises(ValueError, match="loss='nce'"):
        model.compile("adam", "nce")
    with pytest.raises(ValueError, match="loss='categorical_general"):
        model.compile("adam", "categorical_generalized_cross_entropy")
    of_classes = keras.losses.SparseCategoricalCrossentropy
    for wrong in (of_classes, of_classes(), keras.losses.ctc, object(), 3):
        with pytest.raises(TypeError, match="of type `ContrastiveLoss`"):
            model.compile("adam", wrong)
    with pytest.raises(ValueError, match="RetrievalEvaluation"):
        model.compile("adam", metrics=["accuracy"])


def test_wrong_use():
    model = make_model()
    with pytest.raises(TypeError, match="must be a dict"):
        model.encode(np.ones((2, 5)))
    with pytest.raises(ValueError, match="'sound'"):
        model.encode(np.ones((2, 5)), "sound")
    with pytest.raises(ValueError, match="must hold one modality"):
        model.similarity(make_data(), {"text": np.ones((2, 5))})
    with pytest.raises(ValueError, match=r"`a` must have shape"):
        model.similarity(np.ones(3), np.ones((2, 3)))
    with pytest.raises(ValueError, match="equal size"):
        model.similarity(np.ones((1, 3)), np.ones((2, 4)))


def test_corrupt_file_is_refused(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match=r"model\.keras"):
        keras.saving.load_model(tmp_path / "model.keras")


def test_pairs_whose_joined_names_are_equal(tmp_path):
    sizes = {"a": 3, "b_c": 3, "a_b": 3, "c": 3}
    pairs = [("a", "b_c"), ("a_b", "c"), ("a", "c")]
    model = kx.EmbeddingModel(sizes, 2, pairs=pairs)
    assert list(model.logit_scales) == ["a.b_c", "a_b.c", "a_c"]
    model.compile("adam", run_eagerly=True)
    x = {name: RNG.normal(size=(8, 3)) for name in sizes}
    logs = model.fit(x, verbose=0).history
    assert {"a.b_c_loss", "a_b.c_loss", "a_c_loss"} < set(logs)
    np.testing.assert_allclose(
        logs["loss"],
        np.mean([logs[f"{name}_loss"] for name in model.logit_scales]),
        rtol=1e-5,
    )
    scale = model.logit_scales["a_b.c"].log_scale
    scale.assign(scale + 0.5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name, layer in model.logit_scales.items():
        found = loaded.logit_scales[name].log_scale
        assert float(found) == float(layer.log_scale)


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError()])
def test_targets_of_a_vector_are_vectors(loss):
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    y = x[:, 0]

    def evaluate(size, y, loss=loss):
        keras.utils.set_random_seed(0)
        model = kx.EmbeddingModel(3, size)
        model.compile(loss=loss, run_eagerly=True)
        return model.evaluate(x, y, verbose=0)

    assert evaluate(1, y) == evaluate(1, y[:, None])
    for wrong in (y, y[:, None]):
        with pytest.raises(ValueError, match=r"`y` must have shape \(None, 8"):
            evaluate(8, wrong)
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    evaluate(8, np.arange(8), classes)


def vectors(count=32):
    return {
        "image": RNG.normal(size=(count, 6)).astype("float32"),
        "text": RNG.normal(size=(count, 3)).astype("float32"),
    }


def make_targets(x, dim=4, seed=1):
    """Embeddings of another model of the same kind."""
    keras.utils.set_random_seed(seed)
    return kx.EmbeddingModel({"image": 6, "text": 3}, dim).encode(x)


def test_learns_the_embeddings_of_another_model():
    x = vectors()
    for modalities in (["text"], ["image", "text"]):
        given = {name: x[name] for name in modalities}
        y = {name: make_targets(x)[name] for name in modalities}
        model = kx.EmbeddingModel(
            {name: x[name].shape[1] for name in modalities}, 4
        )
        model.compile(keras.optimizers.Adam(0.05), "cosine_similarity")
        model.fit(given, y, epochs=150, verbose=0)
        for name, value in model.encode(given).items():
            np.testing.assert_allclose(value, y[name], atol=0.02)


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        keras.losses.MeanSquaredError(),
        lambda y, y_pred: keras.ops.mean((y - y_pred) ** 2, axis=-1),
    ],
)
def test_loss_between_embeddings_and_targets(loss):
    x = vectors()
    y = make_targets(x)
    model = kx.EmbeddingModel({"image": 6, "text": 3}, 4)
    model.compile("sgd", loss, run_eagerly=True)
    squares = {
        name: np.mean((value - y[name]) ** 2, axis=1)
        for name, value in model.encode(x).items()
    }
    expected = squares["image"].mean() + squares["text"].mean()
    found = model.evaluate(x, y, verbose=0, batch_size=8)
    assert found == pytest.approx(expected, rel=1e-5)
    # A recording that is missing has no target; the other one counts.
    there = np.arange(32) % 2
    x["text"][there == 0] = np.nan
    found = model.evaluate(
        x, y, verbose=0, batch_size=8, sample_weight={"text": there}
    )
    expected = squares["image"].mean() + (squares["text"] * there).mean()
    assert found == pytest.approx(expected, rel=1e-5)


def test_targets_in_a_dataset_and_of_raw_data(tmp_path):
    """As in memory; and saved with the model."""
    texts = np.array(["red apple", "green pear", "blue sky", "apple pie"])
    preprocessor = kx.networks.TextPreprocessor(sequence_length=3)
    preprocessor.adapt(texts)
    model = kx.EmbeddingModel(
        encoders={"text": kx.networks.TextEncoder(9, 4)},
        embedding_dim=5,
        preprocessors={"text": preprocessor},
    )
    model.compile("adam", "cosine_similarity")
    x = {"text": texts}
    y = {"text": RNG.normal(size=(4, 5)).astype("float32")}
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    model.fit(dataset, verbose=0)
    loss = model.evaluate(x, y, verbose=0)
    assert model.evaluate(dataset, verbose=0) == pytest.approx(loss, rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(loss, rel=1e-5)


def test_temperature_has_no_gradient_from_targets_and_is_back_after():
    x = vectors()
    model = kx.EmbeddingModel({"image": 6, "text": 3}, 4)
    (scale,) = model.logit_scales.values()
    model.compile("sgd", "mse", run_eagerly=True)
    before = [weight.numpy() for weight in scale.weights]
    model.fit(x, make_targets(x), verbose=0)  # a warning would be an error
    assert [weight.numpy() for weight in scale.weights] == before
    assert not scale.trainable
    model.compile("sgd", run_eagerly=True)
    assert scale.trainable
    model.fit(x, verbose=0)
    assert [weight.numpy() for weight in scale.weights] != before


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda y: None, TypeError, "`y` must be a dict"),
        (lambda y: np.arange(32), TypeError, "`y` must be a dict"),
        (lambda y: {"text": y["text"]}, ValueError, "`y` .*all of them"),
        (lambda y: {**y, "a": y["text"]}, ValueError, "'a'"),
        (
            lambda y: {**y, "text": y["text"][:, :3]},
            ValueError,
            r"`y\['text'\]` must have shape \(None, 4\).*\(32, 3\)",
        ),
        (lambda y: {**y, "text": y["text"][:9]}, ValueError, "9"),
        (
            lambda y: {**y, "text": y["text"] * np.nan},
            ValueError,
            r"`y\['text'\]` must be finite",
        ),
    ],
)
def test_wrong_targets_are_refused_before_training(change, error, match):
    x = vectors()
    model = kx.EmbeddingModel({"image": 6, "text": 3}, 4)
    model.compile("adam", "mse")
    y = change(make_targets(x))
    with pytest.raises(error, match=match):
        model.fit(x, y, verbose=0)
    assert int(model.optimizer.iterations) == 0


def test_wrong_datasets_of_targets_are_refused():
    x = vectors()
    model = kx.EmbeddingModel({"image": 6, "text": 3}, 4)
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"\(None, 4\).*\(None, 5\)"):
        model.fit(
            tf.data.Dataset.from_tensor_slices((x, make_targets(x, 5))).batch(8)
        )
    with pytest.raises(TypeError, match="`y` must be a dict"):
        model.fit(tf.data.Dataset.from_tensor_slices(x).batch(8))
    with pytest.raises(ValueError, match="`sample_weight` weighs"):
        model.fit(x, sample_weight=np.ones(32))


def test_logits_are_what_the_loss_sees():
    model = kx.EmbeddingModel(
        {"a": 3, "b": 3, "c": 3},
        2,
        pairs=[("a", "b")],
        temperature=0.2,
        bias=-1,
    )
    x = {name: np.eye(3, dtype="float32") for name in "abc"}
    model(x)
    a, b, c = ({name: x[name][: i + 1]} for i, name in enumerate("abc"))
    expected = model.similarity(a, b) / 0.2 - 1
    np.testing.assert_allclose(model.logits(a, b), expected, rtol=1e-5)
    np.testing.assert_allclose(model.logits(b, a), expected.T, rtol=1e-5)
    with pytest.raises(ValueError, match=r"a pair of .* \('a', 'c'\)"):
        model.logits(a, c)
    with pytest.raises(TypeError, match="`a` must be a dict of modalities"):
        model.logits(x["a"], b)


def test_an_encoder_of_two_modalities_stays_one(tmp_path):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model = kx.EmbeddingModel(
        encoders={"a": encoder, "b": encoder, "c": keras.layers.Dense(4)},
        embedding_dim=2,
    )
    x = {name: np.eye(3, dtype="float32") for name in "abc"}
    model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    copied = type(model).from_config(model.get_config())
    copied(x)
    copied.set_weights(model.get_weights())
    replaced = kx.models.replace_towers(model, model)
    for other in (loaded, copied, replaced):
        assert other.encoders["a"] is other.encoders["b"]
        assert other.encoders["a"] is not other.encoders["c"]
        assert len(other.weights) == len(model.weights)
        for name, embeddings in other.encode(x).items():
            np.testing.assert_allclose(embeddings, model.encode(x)[name])
