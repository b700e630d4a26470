"""Recipes with towers that others have trained."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_xmodal as kx
from keras_xmodal.recipes.frozen_tower import FrozenTower
from keras_xmodal.recipes.pretrained import Pretrained
from keras_xmodal.recipes.towers import image_tower, ngram_tower, text_tower
from tests.helpers import assert_close

WORDS = ("red", "green", "blue", "grey", "pink", "gold")


def hidden(count=60, seed=0):
    """Noise in which one pixel says the word: our own features miss it."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 8, 8, 3)).astype("uint8")
    kinds = np.arange(count) % 6
    images[:, 0, 0] = 20 + 40 * kinds[:, np.newaxis]
    texts = np.array([f"{WORDS[kind]} thing" for kind in kinds])
    return {"image": images, "text": texts}, kinds * 1000 + np.arange(count)


class Counting(layers.Layer):
    """Pixels in [0, 1], and how many pictures there have been."""

    rows = 0

    def call(self, images):
        self.rows += len(images)
        return keras.ops.cast(images, "float32") / 255.0


def knowing_tower(preprocessor=None):
    """A tower that looks at that pixel alone, as one of six."""
    x = keras.Input((8, 8, 3))
    pixel = layers.Cropping2D(((0, 7), (0, 7)))(x)
    level = layers.Flatten()(pixel)[:, :1] * 255.0 / 40.0 - 0.5
    y = keras.ops.exp(-8.0 * (level - np.arange(6, dtype="float32")) ** 2)
    weights = layers.Dense(6, use_bias=False, kernel_initializer="identity")
    encoder = keras.Model(x, weights(y), name="knowing")
    return preprocessor or layers.Rescaling(1 / 255), encoder


@pytest.fixture(scope="module")
def recipe():
    recipe = kx.recipes.embedding(
        hidden(), 0.3, towers={"image": knowing_tower()}, verbose=0
    )
    recipe.fit(epochs=2)
    return recipe


def choice(recipe, name):
    (found,) = [c for c in recipe.plan if c.what == f"tower of {name}"]
    return found


def test_a_tower_of_the_users_is_taken_where_it_is_best(recipe):
    said = choice(recipe, "image")
    assert "knowing" in said.choice
    assert "gradients 0." in said.why
    assert "gradients beside knowing" in said.why
    x, ids = hidden(seed=1)
    report = recipe.evaluate((x, ids // 1000))
    assert report["image_to_text"]["R@1"] == 1.0
    assert report["image_to_text"]["baseline_R@1"] < 0.6


def test_the_model_is_saved_with_the_tower(recipe, tmp_path):
    x, _ = hidden(6)
    recipe.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name, values in x.items():
        assert_close(
            loaded.encode(values, name), recipe.model.encode(values, name)
        )


def test_a_tower_is_frozen_and_runs_once():
    counting, encoder = knowing_tower(Counting())
    before = encoder.get_weights()
    recipe = kx.recipes.embedding(
        hidden(), 0.3, towers={"image": (counting, encoder)}, verbose=0
    )
    recipe.fit(epochs=2)
    assert counting.rows == 60 + 1  # and one to see its shape
    assert not encoder.trainable_weights
    for a, b in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_tower_that_knows_nothing_is_left():
    x, ids = hidden()
    x["image"] = np.repeat(
        np.repeat(x["image"][:, :1, :1], 16, axis=1), 16, axis=2
    )
    x["image"][..., 1:] = 128  # of one color each: our own features see it
    blind = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(4)],
        name="blind",
    )
    blind.set_weights([np.zeros_like(w) for w in blind.get_weights()])
    recipe = kx.recipes.embedding(
        (x, ids),
        0.3,
        towers={"image": (layers.Rescaling(1 / 255), blind)},
        verbose=0,
    )
    assert choice(recipe, "image").choice.startswith(("gradients", "pixels"))
    assert "blind" not in choice(recipe, "image").choice


def test_pictures_beside_own_features_are_one_tower():
    images = hidden(12)[0]["image"]
    frozen = FrozenTower(
        Pretrained("known", *knowing_tower()), "image", images, images[:3]
    )
    assert np.mean((frozen.train**2).sum(axis=1)) == pytest.approx(1, rel=1e-5)
    own = image_tower(32, None, "pixels")
    ours = np.asarray(own.features(own.preprocessor(images)))
    join = frozen.join(ours)
    joined = join(ours, frozen.train)
    size = ours.shape[1]
    for block in (joined[:, :size], joined[:, size:]):
        assert_close(block.mean(axis=0), np.zeros(block.shape[1]), atol=1e-5)
        assert np.mean((block**2).sum(axis=1)) == pytest.approx(1, rel=1e-4)
    tower = join.tower(own)
    assert_close(tower.features(tower.preprocessor(images)), joined, atol=1e-5)


def test_texts_beside_own_features_are_one_tower():
    captions = np.array([[f"{w} thing", f"a {w} one"] for w in WORDS], object)
    tokens = layers.TextVectorization(output_sequence_length=4)
    tokens.adapt(captions.ravel())
    encoder = keras.Sequential(
        [
            keras.Input((4,), dtype="int64"),
            layers.Embedding(20, 5),
            layers.GlobalAveragePooling1D(),
        ]
    )
    asked = np.array(["blue thing"])
    frozen = FrozenTower(
        Pretrained("known", tokens, encoder), "text", captions, asked
    )
    lengths = np.linalg.norm(frozen.train, axis=-1)
    assert_close(lengths, np.ones((6, 2)), atol=1e-5)
    own = text_tower(captions.astype(str), with_words=False)
    flat = captions.astype(str).ravel()
    ours = np.asarray(own.features(own.preprocessor(flat))).reshape(6, 2, -1)
    join = frozen.join(ours)
    joined = join(ours, frozen.train)
    halves = np.split(joined, [ours.shape[-1]], axis=-1)
    assert_close((halves[0] ** 2).sum(axis=-1).mean(), 0.5, atol=1e-4)
    assert_close((halves[1] ** 2).sum(axis=-1), np.ones((6, 2)), atol=1e-4)
    tower = join.tower(own)
    found = np.asarray(tower.features(tower.preprocessor(flat)))
    assert_close(found, joined.reshape(12, -1), atol=1e-5)


@pytest.mark.parametrize(
    ("towers", "message"),
    [
        (3, "`towers` must be 'auto', a name or folder.*Received: int"),
        ({"sound": "auto"}, "`towers` must .*sound"),
        ({"image": (None,)}, r"`\(preprocessor, encoder\)`. Received: 1 of"),
        ({"image": (None, 3)}, "towers.*Received"),
        (
            {"image": (layers.Rescaling(1 / 255), layers.Rescaling(1.0))},
            r"one tensor of shape \(batch, dim\)",
        ),
    ],
)
def test_other_towers_are_refused(towers, message):
    with pytest.raises((TypeError, ValueError), match=message):
        kx.recipes.embedding(hidden(12), 0.5, towers=towers, verbose=0)


def test_the_ngrams_of_the_baseline_lose_nothing():
    """Cosines are those of all n-grams, however few dimensions there are."""
    random = np.random.default_rng(0)
    words = ["red", "green", "apple", "car", "violin", "left"]
    captions = np.array([" ".join(random.choice(words, 2)) for _ in range(20)])
    tower = ngram_tower(captions.reshape(10, 2))
    texts = np.array(["a red apple", "green violins, left", "red car", "zzz"])

    def vectors(texts):
        tokens = np.asarray(tower.preprocessor(texts))
        counts = np.stack([np.bincount(row, minlength=size) for row in tokens])
        x = counts[:, 2:] * idf
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.maximum(norms, 1e-9)

    size = tower.preprocessor.vocabulary_size()
    tokens = np.asarray(tower.preprocessor(np.unique(captions)))
    documents = [(tokens == token).any(axis=1).sum() for token in range(size)]
    count = len(tokens)
    idf = np.log((1 + count) / (1 + np.array(documents[2:]))) + 1
    sums = random.normal(size=(5, 10))
    wide = sums @ vectors(captions).reshape(10, 2, -1).mean(axis=1)
    narrow = np.asarray(tower.features(tower.preprocessor(captions)))
    narrow = sums @ narrow.reshape(10, 2, -1).mean(axis=1)
    narrow[:, -1] = 0.0
    embedded = np.asarray(tower.features(tower.preprocessor(texts)))
    np.testing.assert_allclose(np.linalg.norm(embedded[:3], axis=1), 1.0, 1e-5)
    np.testing.assert_allclose(
        embedded @ narrow.T, vectors(texts) @ wide.T, atol=1e-4
    )
