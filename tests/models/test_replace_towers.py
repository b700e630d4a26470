import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx

RNG = np.random.default_rng(0)
TEXTS = np.array(["red apple", "green pear", "blue sky", "apple pie"])
IMAGES = RNG.integers(0, 256, (4, 9, 9, 3)).astype("uint8")


def text_parts(ngrams, dim):
    """Preprocessor and encoder of texts."""
    preprocessor = kx.networks.TextPreprocessor(
        split="character", ngrams=ngrams, sequence_length=12
    )
    preprocessor.adapt(TEXTS)
    size = preprocessor.vocabulary_size()
    return preprocessor, kx.networks.TextEncoder(size, dim)


def make_teacher():
    preprocessor, encoder = text_parts((1, 2, 3), 16)
    image = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(6, name="first"),
            keras.layers.Dense(6),
        ]
    )
    image.get_layer("first").trainable = False
    model = kx.EmbeddingModel(
        encoders={"image": image, "text": encoder},
        embedding_dim=5,
        preprocessors={
            "image": kx.networks.ImagePreprocessor((8, 8)),
            "text": preprocessor,
        },
        temperature=0.2,
    )
    model.encode({"image": IMAGES, "text": TEXTS})
    model.logit_scales["image_text"].log_scale.assign(1.25)
    return model


def make_student():
    preprocessor, encoder = text_parts((1,), 3)
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=5,
        preprocessors={"text": preprocessor},
    )
    model.encode({"text": TEXTS})
    return model


def assert_embeds_alike(model, other, **raw):
    for modality, value in raw.items():
        np.testing.assert_array_equal(
            model.encode(value, modality), other.encode(value, modality)
        )


def test_the_new_tower_is_there_and_the_rest_as_it_was(tmp_path):
    teacher, student = make_teacher(), make_student()
    light = kx.models.replace_towers(teacher, student)
    light.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for model in (light, loaded):
        assert_embeds_alike(model, teacher, image=IMAGES)
        assert_embeds_alike(model, student, text=TEXTS)
        assert list(model.modalities) == ["image", "text"]
        assert model.pairs == teacher.pairs
        assert model.temperature == 0.2
        assert float(model.logit_scales["image_text"].log_scale) == 1.25
        frozen = model.encoders["image"].get_layer("first")
        assert not frozen.trainable
        assert model.encoders["image"].trainable
    saved = teacher.count_params() - light.count_params()
    heavy, small = (
        m.encoders["text"].count_params() + m.projections["text"].count_params()
        for m in (teacher, student)
    )
    assert saved == heavy - small > 0


def test_further_training_changes_neither_of_both():
    teacher, student = make_teacher(), make_student()
    image = teacher.encode(IMAGES, "image")
    text = student.encode(TEXTS, "text")
    light = kx.models.replace_towers(teacher, student)
    light.compile("sgd", run_eagerly=True)
    light.fit({"image": IMAGES, "text": TEXTS}, verbose=0)
    assert not np.array_equal(light.encode(IMAGES, "image"), image)
    assert not np.array_equal(light.encode(TEXTS, "text"), text)
    np.testing.assert_array_equal(teacher.encode(IMAGES, "image"), image)
    np.testing.assert_array_equal(student.encode(TEXTS, "text"), text)


@pytest.mark.large
def test_exports_like_any_other(tmp_path):
    light = kx.models.replace_towers(make_teacher(), make_student())
    kx.export.saved_model(light, tmp_path / "model")
    served = keras.layers.TFSMLayer(tmp_path / "model", "embed_text_string")
    np.testing.assert_allclose(
        served(tf.constant(TEXTS))["embedding"],
        light.encode(TEXTS, "text"),
        atol=1e-6,
    )


def test_a_tower_of_vectors_and_one_without_a_preprocessor():
    teacher = kx.EmbeddingModel({"image": 6, "text": 3}, 4)
    x = {"image": RNG.normal(size=(5, 6)), "text": RNG.normal(size=(5, 3))}
    teacher(x)
    student = kx.EmbeddingModel(
        encoders={"text": keras.layers.Dense(2)}, embedding_dim=4
    )
    student({"text": RNG.normal(size=(5, 7))})
    light = kx.models.replace_towers(teacher, student)
    assert_embeds_alike(light, teacher, image=x["image"])
    assert_embeds_alike(light, student, text=RNG.normal(size=(5, 7)))
    back = kx.models.replace_towers(light, teacher)
    assert_embeds_alike(back, teacher, **x)
    # What the other tower preprocesses, this one does not.
    vectors = kx.EmbeddingModel({"text": 7}, 5)
    vectors({"text": np.ones((1, 7))})
    light = kx.models.replace_towers(make_teacher(), vectors)
    assert list(light.preprocessors) == ["image"]
    assert_embeds_alike(light, vectors, text=RNG.normal(size=(5, 7)))


def test_without_projections():
    def model(dim, *names):
        result = kx.EmbeddingModel(
            encoders={name: keras.layers.Dense(dim) for name in names},
            embedding_dim=None,
        )
        result({name: np.ones((1, 3)) for name in names})
        return result

    teacher, student = model(4, "a", "b"), model(4, "b")
    light = kx.models.replace_towers(teacher, student)
    x = RNG.normal(size=(5, 3))
    assert_embeds_alike(light, teacher, a=x)
    assert_embeds_alike(light, student, b=x)
    with pytest.raises(ValueError, match=r"sizes \{'a': 4, 'b': 3\}"):
        kx.models.replace_towers(teacher, model(3, "b"))


@pytest.mark.parametrize(
    ("towers", "error", "match"),
    [
        (keras.layers.Dense(3), TypeError, "`towers` must be an `Embedding"),
        (kx.EmbeddingModel(3, 5), ValueError, "`towers` must have named"),
        (kx.EmbeddingModel({"text": 3}, 5), ValueError, "built=False"),
        ({"sound": 3}, ValueError, "'sound'"),
        ({"text": 3}, ValueError, "`embedding_dim`. Received: 5 and 4"),
    ],
)
def test_wrong_towers(towers, error, match):
    if isinstance(towers, dict):
        towers = kx.EmbeddingModel(towers, 4)
        towers({name: np.ones((1, 3)) for name in towers.modalities})
    with pytest.raises(error, match=match):
        kx.models.replace_towers(make_teacher(), towers)
