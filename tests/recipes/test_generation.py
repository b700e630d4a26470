import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.recipes import generation_recipe
from tests.recipes.test_embedding import COLORS, PLACES, Killed, pictures

RECIPES = {"vae": kx.recipes.vae, "gan": kx.recipes.gan}


def begin(name, data=None, validation=0.25, **arguments):
    arguments = {"image_size": 8, "verbose": 0, **arguments}
    return RECIPES[name](data or pictures(), validation, **arguments)


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    monkeypatch.setattr(generation_recipe, "_STEPS", 4)


@pytest.fixture(
    scope="module", params=["vae", pytest.param("gan", marks=pytest.mark.large)]
)
def recipe(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation_recipe, "_STEPS", 4)
        recipe = begin(request.param)
        recipe.fit(epochs=3)
    return recipe


def weights_equal(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_it_ends_with_what_is_best_on_the_validation(recipe):
    assert isinstance(recipe, kx.recipes.GenerationRecipe)
    rows = recipe.evaluate().values()
    end = np.mean([row["MRR"] for row in rows])
    values = recipe.history["generator"]["val_MRR"]
    assert len(values) == 3
    (training,) = [c for c in recipe.plan if c.what.startswith("training")]
    start = float(training.why.split()[5])
    assert end == pytest.approx(max(*values, start), abs=1e-3)
    assert training.why.endswith(f"{end:.3f} after")


def test_the_judge_knows_real_pictures(recipe):
    x, ids = pictures(seed=1)
    report = recipe.evaluate((x, ids // 1000))
    for row in report.values():
        assert row["real_R@1"] > 0.9
        assert row["baseline_R@1"] > 0.9  # All kinds were in the training.
        assert row["chance_R@1"] < 0.2


def test_the_model_takes_raw_data_and_is_saved_with_what_it_needs(
    recipe, tmp_path
):
    recipe.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    texts = np.array(["red on the left", "blue on the right"])

    def draw(model):
        if isinstance(model, kx.VAEModel):
            x = {"text": texts}
            return model.translate(x, "image", latent="sample", seed=0)
        return model.generate(texts, seed=0)

    drawn = draw(loaded)
    assert drawn.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(drawn, draw(recipe.model), atol=1e-6)
    x, _ = pictures(4)
    loaded.fit(x, verbose=0)  # compiled


def test_what_is_no_text_is_refused(recipe):
    if isinstance(recipe.model, kx.VAEModel):
        return  # whose layer of texts says it itself
    with pytest.raises(TypeError, match=r"'text' must hold texts.*float32"):
        recipe.model.generate(np.array([1.0]), seed=0)
    with pytest.raises(ValueError, match=r"shape \(None,\).*\(1, 1\)"):
        recipe.model.generate(np.array([["red on the left"]]), seed=0)


def test_it_goes_on_exactly_after_a_kill(recipe, tmp_path):
    name = "vae" if isinstance(recipe.model, kx.VAEModel) else "gan"

    def make():
        return begin(name, backup_dir=tmp_path)

    with pytest.raises(KeyboardInterrupt):
        make().fit(epochs=3, callbacks=[Killed(2)])
    resumed = make()
    resumed.fit(epochs=3)
    assert weights_equal(recipe.model, resumed.model)
    assert recipe.history == resumed.history
    assert recipe.plan == resumed.plan


@pytest.mark.large
def test_numbers_have_their_own_units():
    x, ids = pictures(60)
    random = np.random.default_rng(0)
    kind = ids // 1000
    numbers = 1000.0 * kind[:, None] + random.normal(0, 10, (120, 1))
    x = {"image": x["image"], "size": numbers}
    recipe = begin("vae", (x, ids))
    recipe.fit(epochs=30)
    assert recipe.kinds == {"image": "image", "size": "numbers"}
    y, ids = pictures(30, seed=2)
    made = recipe.model.translate({"image": y["image"]}, "size")
    error = np.abs(made[:, 0] - 1000 * (ids // 1000)).mean()
    trivial = np.abs(ids // 1000 - np.mean(kind)).mean() * 1000
    assert error < trivial / 2
    assert begin("gan", (x, kind)).model.condition == "size"


def test_a_modality_may_be_missing():
    x, ids = pictures(24)
    there = {name: np.ones(48) for name in x}
    there["text"][:16] = 0
    recipe = begin("vae", (x, ids, there))
    recipe.fit(epochs=1)
    assert recipe.plan[0].choice == "18 of kind image"
    gan = begin("gan", (x, ids, there))
    both = int(gan.plan[1].choice.split()[0])
    assert 8 <= both < 16  # Of 16, three quarters, with the luck of the draw.
    recipe.evaluate((x, ids, there))


def test_a_text_is_drawn_of_what_is_asked_for():
    x, ids = pictures()
    x["title"] = x["text"]
    x["numbers"] = np.eye(6)[ids // 1000]
    recipe = begin("gan", (x, ids), source="title")
    assert recipe.model.condition == "title"
    assert recipe.kinds == {"title": "text", "image": "image"}
    with pytest.raises(ValueError, match="`target` must be a modality of kind"):
        begin("gan", (x, ids), target="numbers")
    with pytest.raises(ValueError, match="`source` must be one of"):
        begin("gan", (x, ids), source="caption")


def test_what_has_no_default_is_refused():
    x, ids = pictures(8)
    sounds = {"speech": list(np.zeros((16, 800), "float32")), "text": x["text"]}
    kinds = {"speech": "speech"}
    for name in RECIPES:
        with pytest.raises(ValueError, match="speech"):
            begin(name, (sounds, ids), kinds=kinds)
    with pytest.raises(ValueError, match="`image_size` must be"):
        begin("vae", image_size=4)
    with pytest.raises(TypeError, match="`train` must be"):
        begin("gan", [1, 2])


@pytest.mark.parametrize("name", RECIPES)
def test_equal_captions_are_refused(name):
    x, ids = pictures(8)
    x["text"] = np.full(16, "a bar")
    with pytest.raises(ValueError, match="different examples of 'text'"):
        begin(name, (x, ids))


@pytest.mark.large
@pytest.mark.parametrize("name", RECIPES)
def test_it_draws_what_a_text_says(name, monkeypatch):
    """Nearly each bar has its color, on its side; by chance one of six."""
    monkeypatch.setattr(generation_recipe, "_STEPS", 100)
    recipe = begin(name, pictures(96), image_size=16)
    recipe.fit(epochs=5)
    asked = [(c, place) for c in COLORS for place in PLACES] * 8
    texts = np.array([f"{color} on the {place}" for color, place in asked])
    if name == "vae":
        x = {"text": texts}
        drawn = recipe.model.translate(x, "image", latent="sample", seed=0)
    else:
        drawn = recipe.model.generate(texts, seed=0)
    sides = np.stack([drawn[:, :, :5], drawn[:, :, 11:]], axis=1)
    values = sides.mean(axis=(2, 3)).reshape(len(asked), -1)
    expected = [3 * PLACES.index(p) + COLORS[c] for c, p in asked]
    assert np.mean(values.argmax(axis=1) == expected) > 0.8


def test_without_a_validation_it_trains_as_long_as_it_is_told():
    recipe = begin("vae", validation=None)
    recipe.fit(epochs=1)
    assert "no items are held out" in recipe.plan[-1].why
    with pytest.raises(ValueError, match="`data` must be given"):
        recipe.evaluate()
