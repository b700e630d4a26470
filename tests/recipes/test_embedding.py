import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.recipes import embedding_recipe
from keras_xmodal.recipes.pairs import check_unseen, read_pairs
from keras_xmodal.recipes.start import Start

COLORS = {"red": 0, "green": 1, "blue": 2}
PLACES = ("left", "right")


def pictures(count=48, seed=0):
    """Pictures with a bar of a color on one side, and two captions each."""
    random = np.random.default_rng(seed)
    x, ids = {"image": [], "text": []}, []
    for item in range(count):
        color, place = random.choice(list(COLORS)), random.choice(PLACES)
        image = random.integers(0, 60, (12, 12, 3)).astype("uint8")
        columns = slice(0, 5) if place == "left" else slice(7, 12)
        image[:, columns, COLORS[color]] = 250
        number = COLORS[color] * 2 + PLACES.index(place)
        for text in (f"{color} on the {place}", f"{place}: {color} bar"):
            x["image"].append(image)
            x["text"].append(text)
            ids.append(1000 * number + item)
    return {name: np.array(values) for name, values in x.items()}, np.array(ids)


@pytest.fixture(scope="module")
def recipe():
    recipe = kx.recipes.embedding(pictures(), 0.25, image_size=16, verbose=0)
    recipe.fit(epochs=3)
    return recipe


def test_it_finds_what_training_never_showed(recipe):
    assert isinstance(recipe, kx.recipes.EmbeddingRecipe)
    x, ids = pictures(seed=1)
    # Equal captions are equally right: six kinds of pictures.
    report = recipe.evaluate((x, ids // 1000))
    assert set(report) == {"image_to_text", "text_to_image"}
    for row in report.values():
        assert row["R@1"] > 0.95
        assert row["chance_R@1"] < 0.2
        assert 0 < row["baseline_R@1"] <= 1


def test_a_picture_and_its_captions_are_one_row(recipe):
    assert recipe.plan[0].choice == "36 of kind image"
    assert recipe.evaluate()["image_to_text"]["num_queries"] == 12


def test_it_never_ends_below_its_start(recipe):
    history = recipe.history["projections"]
    (training,) = [c for c in recipe.plan if c.what.startswith("training")]
    start = float(training.why.split()[5])
    model = recipe.evaluate()
    end = np.mean([row["MRR"] for row in model.values()])
    assert end >= start - 1e-3
    assert end >= max(history["val_MRR"]) - 1e-6
    baseline = np.mean([row["baseline_MRR"] for row in model.values()])
    last = recipe.plan[-1]
    assert last.what == "beside the ridge baseline"
    assert last.choice == "not worse"
    assert end >= baseline
    assert last.why.endswith(f"{end:.3f}, baseline {baseline:.3f}")


def noise(count, seed=0):
    """Noise in which each word is a faint pattern: linear, and no shape."""
    random = np.random.default_rng(0)
    words = [f"{word}{i}" for i in range(4) for word in ("ab", "cd", "ef")]
    patterns = random.normal(0, 6, (len(words), 8, 8, 3))
    random = np.random.default_rng(seed)
    images, texts = [], []
    for _ in range(count):
        said = random.choice(len(words), 3, replace=False)
        pixels = 128 + random.normal(0, 9, (8, 8, 3)) + patterns[said].sum(0)
        images.append(pixels.clip(0, 255).astype("uint8"))
        texts.append(" ".join(words[i] for i in said))
    return {"image": np.array(images), "text": np.array(texts)}


def test_it_never_ends_below_the_ridge_baseline(monkeypatch):
    only = {"image": "gradients", "text": "character n-grams"}
    monkeypatch.setattr(
        Start, "_candidates", lambda self, name: [only[self.train.kinds[name]]]
    )
    data = noise(120), np.arange(120)
    recipe = kx.recipes.embedding(data, 0.3, image_size=8, verbose=0)
    for row in recipe.evaluate().values():
        for measure in ("R@1", "R@5", "MedR", "MRR"):
            assert row[measure] == pytest.approx(row[f"baseline_{measure}"])
    for row in recipe.evaluate((noise(40, 1), np.arange(40))).values():
        assert row["MRR"] == pytest.approx(row["baseline_MRR"])
        assert row["R@1"] > 3 * row["chance_R@1"]
    recipe.fit(epochs=2)
    stages = ["projections", "projections of the baseline"]
    assert list(recipe.history) == stages
    for row in recipe.evaluate().values():
        assert row["MRR"] >= row["baseline_MRR"] - 1e-6
    choices = {choice.what: choice for choice in recipe.plan}
    assert choices["tower of text"].choice == "ridge baseline"
    assert choices["beside the ridge baseline"].choice == "not worse"


def test_the_model_is_saved_with_what_it_needs(recipe, tmp_path):
    x, _ = pictures(4)
    recipe.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name, values in x.items():
        np.testing.assert_allclose(
            loaded.encode(values, name), recipe.model.encode(values, name)
        )
    loaded.fit(x, np.arange(8), verbose=0)  # compiled


def test_a_rate_that_is_too_high_leaves_the_start():
    recipe = kx.recipes.embedding(pictures(), 0.25, image_size=16, verbose=0)
    x, _ = pictures(8)
    before = recipe.model.encode(x)
    recipe.fit(epochs=0)
    after = recipe.model.encode(x)
    for name in x:
        np.testing.assert_array_equal(before[name], after[name])


class Killed(keras.callbacks.Callback):
    """Stop as a kill does, in an epoch of a stage."""

    def __init__(self, epoch, stage=0):
        super().__init__()
        self.epoch, self.stage = epoch, stage

    def on_train_begin(self, logs=None):
        self.stage -= 1

    def on_batch_end(self, batch, logs=None):
        if self.stage < 0 and self.at == self.epoch:
            raise KeyboardInterrupt

    def on_epoch_begin(self, epoch, logs=None):
        self.at = epoch


@pytest.mark.parametrize("stage", [0, pytest.param(1, marks=pytest.mark.large)])
def test_it_goes_on_exactly_after_a_kill(tmp_path, stage):
    def begin(folder):
        return kx.recipes.embedding(
            pictures(),
            0.25,
            image_size=16,
            network=stage == 1,
            backup_dir=tmp_path / folder,
            verbose=0,
        )

    whole = begin("whole")
    whole.fit(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        begin("killed").fit(epochs=3, callbacks=[Killed(2, stage)])
    resumed = begin("killed")
    resumed.fit(epochs=3)
    pairs = zip(
        whole.model.get_weights(), resumed.model.get_weights(), strict=True
    )
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_a_training_that_had_stopped_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_recipe, "PATIENCE", 2)

    def fit():
        recipe = kx.recipes.embedding(
            pictures(), 0.25, image_size=16, backup_dir=tmp_path, verbose=0
        )
        recipe.fit(epochs=30)
        return recipe

    stopped = fit()
    epochs = len(stopped.history["projections"]["loss"])
    assert 2 <= epochs < 30
    again = fit()
    assert again.history == stopped.history
    assert again.plan == stopped.plan
    weights = zip(
        stopped.model.get_weights(), again.model.get_weights(), strict=True
    )
    assert all(np.array_equal(a, b) for a, b in weights)


def test_numbers_find_pictures_and_a_modality_may_be_missing():
    x, ids = pictures(60)
    x, ids = {"image": x["image"][::2], "text": x["text"][::2]}, ids[::2]
    kind = ids // 1000
    x["numbers"] = np.eye(6)[kind] + np.random.default_rng(0).normal(
        0, 0.05, (60, 6)
    )
    there = {name: np.ones(60) for name in x}
    there["text"][:40] = 0  # two thirds have no text
    there["numbers"][50:] = 0
    recipe = kx.recipes.embedding(
        (x, ids, there), 0.3, image_size=16, verbose=0
    )
    recipe.fit(epochs=2)
    assert recipe.kinds["numbers"] == "numbers"
    y, ids = pictures(30, seed=2)
    y["numbers"] = np.eye(6)[ids // 1000]
    report = recipe.evaluate((y, ids // 1000))
    assert len(report) == 6
    assert report["numbers_to_image"]["R@1"] > 0.5


def test_the_augmentation_is_the_users():
    layer = kx.layers.ImageAugmentation(hue=0.0, seed=0)
    recipe = kx.recipes.embedding(
        pictures(16),
        0.25,
        image_size=16,
        augmentation={"image": layer},
        verbose=0,
    )
    assert recipe.model.preprocessors["image"].augmentation is layer


def test_the_loss_and_the_batch_size_are_the_users():
    recipe = kx.recipes.embedding(
        pictures(16), 0.25, image_size=16, loss="sigmoid_contrastive", verbose=0
    )
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    recipe.fit(2, [callback], batch_size=4)
    assert seen == [0, 1, 2, 0, 1, 2]  # of 12 rows, twice
    assert isinstance(recipe.model.loss, kx.losses.SigmoidContrastive)
    (scale,) = recipe.model.logit_scales.values()
    assert -11 < float(scale.logit_bias) < -9  # it starts at -10


def test_names_without_a_picture_are_one_row_of_their_item():
    x, ids = pictures(2)
    pairs = read_pairs((x, ids, {"image": [1, 1, 0, 0]}))
    assert pairs.x["text"].tolist() == x["text"].reshape(2, 2).tolist()
    assert pairs.there["image"].tolist() == [True, False]


def test_all_of_few_items_are_learned_from():
    recipe = kx.recipes.embedding(pictures(8), None, image_size=16, verbose=0)
    assert recipe.plan[0].choice == "8 of kind image"
    assert recipe.fit(1)["projections"]["loss"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            ({"image": np.zeros((4, 8, 8, 3), "uint8")}, np.arange(4)),
            "at least two modalities.*Received: 4 examples of",
        ),
        (
            ({"a": np.zeros((4, 2)), "b": np.zeros((3, 2))}, np.arange(4)),
            r"equally many examples.*x\[.*b.*\].*: 3",
        ),
        (
            ({"a": np.zeros((4, 2)), "b": np.zeros((4, 2))}, np.arange(3)),
            "equally many examples.*'ids': 3",
        ),
        (
            (
                {"a": np.zeros((4, 2)), "b": np.zeros((4, 2))},
                np.arange(4),
                {"c": np.ones(4)},
            ),
            "`sample_weight` must hold modalities",
        ),
        (
            (
                {"a": np.zeros((4, 2)), "b": np.zeros((4, 2))},
                np.arange(4),
                {"a": np.full(4, np.nan)},
            ),
            "`sample_weight` must be finite",
        ),
        (
            (
                {"a": np.zeros((4, 2)), "b": np.zeros((4, 2))},
                np.arange(4),
                np.array([1, 1, 1, 0.5]),
            ),
            "`sample_weight` of a recipe must be 1.*Received: 0.5 of 'a'",
        ),
        (
            (
                {"a": np.full((4, 2), np.nan), "b": np.zeros((4, 2))},
                np.arange(4),
            ),
            "`x\\['a'\\]` must be finite",
        ),
        (
            (
                {"a": np.zeros((4, 2)), "b": np.zeros((4, 2))},
                np.arange(4),
                np.zeros(4),
            ),
            "must be there in some example",
        ),
        ([1, 2], "`train` must be a `tf.data.Dataset`.*Received: list"),
    ],
)
def test_bad_data_is_refused(data, message):
    with pytest.raises((TypeError, ValueError), match=message):
        kx.recipes.embedding(data)


def test_pixels_in_another_range_are_refused_in_a_line():
    x, ids = pictures(8)
    for pixels, told in (
        (x["image"].astype("float32"), "dtype float32, from 0 to 250"),
        (x["image"].astype("int32") + 100, "dtype int32, from 100 to 350"),
    ):
        rule = r"or floats in \[0, 1\]. Received: x\['image'\] of " + told
        with pytest.raises(ValueError, match=rule):
            kx.recipes.embedding((x | {"image": pixels}, ids))


def test_validation_of_what_is_trained_on_is_refused():
    x, ids = pictures(8)
    told = "8 of 8 rows of `validation` that `train` has, and 8 of 8 ids"
    with pytest.raises(ValueError, match=told):
        kx.recipes.embedding((x, ids), (x, ids))
    # Other texts of the same picture are no other item; other ids are.
    y, _ = pictures(8, seed=1)
    y["image"][:2] = x["image"][:2]
    with pytest.warns(UserWarning, match="1 of 8 rows .* 0 of 8 ids"):
        check_unseen(read_pairs((x, ids)), read_pairs((y, -ids)))
    z = {"n": np.eye(4), "text": np.array(list("abcd"))}
    with pytest.raises(ValueError, match="4 of 4 rows"):
        kx.recipes.embedding((z, np.arange(4)), (z, np.arange(4)))


def test_modalities_that_never_meet_are_refused():
    x, _ = pictures(8)
    there = {"image": np.arange(16) % 2, "text": 1 - np.arange(16) % 2}
    with pytest.raises(ValueError, match="must describe the same items"):
        kx.recipes.embedding((x, np.arange(16), there), 0.25)


def test_batches_are_refused():
    data = kx.datasets.load("emoji").batch(8)
    with pytest.raises(ValueError, match="read it before `batch`"):
        kx.recipes.embedding(data)


def test_a_plan_shows_itself_as_a_table(recipe):
    assert isinstance(recipe.plan, kx.recipes.Plan)
    lines = str(recipe.plan).splitlines()
    assert lines[0] == "image: 36 of kind image, by its content"
    assert recipe.plan._repr_html_().count("<tr>") == len(lines) + 1


def test_what_has_the_same_texts_is_the_same_item():
    """No false negatives, in training as in measuring."""
    x, ids = pictures(24)
    recipe = kx.recipes.embedding((x, ids), 0.5, image_size=16, verbose=0)
    assert len(np.unique(recipe._start.train.ids)) <= 6
    assert len(np.unique(ids)) == 24
    assert recipe.evaluate()["text_to_image"]["chance_R@1"] > 0.1


def test_what_is_measured_is_the_model(recipe):
    """Also where its preprocessor resizes, from 12 to 16 pixels here."""
    x, ids = pictures(30, seed=2)
    x = {name: values[::2] for name, values in x.items()}
    ids = ids[::2] // 1000
    row = recipe.evaluate((x, ids))["image_to_text"]
    expected = kx.metrics.retrieval_report(
        recipe.model.encode(x["image"], "image"),
        recipe.model.encode(np.unique(x["text"]), "text"),
        ids,
        ids[np.unique(x["text"], return_index=True)[1]],
    )
    assert row["MRR"] == pytest.approx(expected["MRR"], abs=1e-6)


def test_a_backup_is_of_one_call(tmp_path):
    def begin(data, seed=0, **options):
        options = {"augmentation": None, "verbose": 0, **options}
        return kx.recipes.embedding(
            data, 0.25, seed=seed, backup_dir=tmp_path, **options
        )

    begin(pictures())
    begin(pictures())
    for message, arguments in (
        ("train and validation", {"data": pictures(seed=1)}),
        ("another loss", {"data": pictures(), "loss": "sigmoid_contrastive"}),
        ("another augmentation", {"data": pictures(), "augmentation": "auto"}),
        ("another seed", {"data": pictures(), "seed": 1}),
    ):
        with pytest.raises(ValueError, match=f"of the same call.*{message}"):
            begin(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"augmentation": {"text": None}}, "hold modalities of .'image'."),
        ({"duration": 1.0}, "`duration` is of recordings"),
        ({"image_size": 5}, "`image_size` must be an integer of at least 8"),
        ({"kinds": {"image": "text"}}, "`kinds` must fit the data"),
        ({"kinds": {"image": "numbers"}}, "Numbers must be vectors"),
        ({"verbose": "x"}, "`verbose` must be one of"),
        ({"verbose": 3}, "`verbose` must be 'auto', 0, 1 or 2"),
        ({"network": "yes"}, r"one of \['auto', True, False\]"),
    ],
)
def test_what_would_do_nothing_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kx.recipes.embedding(pictures(), **arguments)


def test_other_modalities_are_told_by_the_name_of_the_argument(recipe):
    x, ids = pictures(4)
    with pytest.raises(ValueError, match=r"`data` must hold.*'z'.*unknown"):
        recipe.evaluate(({**x, "z": ids}, ids))
    with pytest.raises(TypeError, match=r"`data` must be a `tf.data.Dataset`"):
        recipe.evaluate(x)
    with pytest.raises(TypeError, match="`callbacks` must be Keras callbacks"):
        recipe.fit(callbacks="stop")
