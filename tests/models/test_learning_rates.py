"""Learning rates of towers, as multiples of the optimizer's."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx

RNG = np.random.default_rng(0)
X = {
    "image": RNG.normal(size=(16, 6)).astype("float32"),
    "text": RNG.normal(size=(16, 5)).astype("float32"),
}


def make():
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential(
                [
                    keras.Input((6,)),
                    keras.layers.Dense(8),
                    keras.layers.BatchNormalization(),
                    keras.layers.Dropout(0.5, seed=1),
                ]
            ),
            "text": keras.Sequential(
                [keras.Input((5,)), keras.layers.Dense(8, "relu")]
            ),
        },
        embedding_dim=4,
    )
    model(X)
    return model


def towers(model):
    """Weights of each tower, and of the temperature and bias."""
    weights = {
        name: [
            weight
            for layer in (model.encoders[name], model.projections[name])
            for weight in layer.weights
        ]
        for name in X
    }
    weights["scale"] = model.logit_scales["image_text"].weights
    return {k: [w.numpy() for w in v] for k, v in weights.items()}


def fit(model, optimizer, multipliers=None, epochs=1, **kwargs):
    """Train with the whole data as a batch; return what has changed."""
    before = towers(model)
    model.compile(optimizer, learning_rate_multipliers=multipliers, **kwargs)
    model.fit(X, batch_size=16, epochs=epochs, shuffle=False, verbose=0)
    after = towers(model)
    return {
        name: [b - a for a, b in zip(before[name], after[name], strict=True)]
        for name in before
    }


def steps(kind, **kwargs):
    return lambda: kind(0.01, **kwargs)


@pytest.mark.parametrize(
    ("make_optimizer", "epochs", "jit_compile"),
    [
        (steps(keras.optimizers.SGD, momentum=0.9, weight_decay=0.1), 1, False),
        (steps(keras.optimizers.AdamW, weight_decay=0.1), 1, True),
        (
            steps(
                keras.optimizers.AdamW,
                weight_decay=0.1,
                gradient_accumulation_steps=2,
            ),
            2,
            False,
        ),
        (
            steps(
                keras.optimizers.Muon, weight_decay=0.2, adam_weight_decay=0.1
            ),
            1,
            False,
        ),
    ],
)
def test_steps_and_weight_decay_are_scaled(make_optimizer, epochs, jit_compile):
    options = {"epochs": epochs, "jit_compile": jit_compile}
    options["run_eagerly"] = not jit_compile and epochs == 1
    model = make()
    model.encoders["image"].trainable = False
    plain = fit(model, make_optimizer(), **options)
    multipliers = {"text": 0.25, "text_projection": 2, "image": 0}
    scaled = fit(make(), make_optimizer(), multipliers, **options)
    for a, b, factor in zip(
        scaled["text"], plain["text"], [0.25, 0.25, 2, 2], strict=True
    ):
        assert np.any(a)
        np.testing.assert_allclose(a, factor * b, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(scaled["scale"], plain["scale"], rtol=1e-3)


def test_a_rate_of_0_leaves_a_tower_as_it_is():
    model = make()
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    changed = fit(model, optimizer, {"image": 0}, epochs=2)
    # The statistics of its batches as well.
    assert not any(np.any(delta) for delta in changed["image"])
    assert all(np.any(delta) for delta in changed["text"])
    assert len(model.trainable_weights) == len(model.trainable_variables) == 6
    assert model.encoders["image"].trainable
    changed = fit(model, "adam")
    assert all(np.any(delta) for delta in changed["image"])
    assert len(model.trainable_weights) == 12


def test_an_optimizer_used_again_forgets():
    optimizer = keras.optimizers.SGD(0.01)
    fit(make(), optimizer, {"text": 0.5, "image_text_logit_scale": 0.5})
    model = make()
    assert "update_step" in vars(optimizer)
    model.compile(keras.optimizers.SGD.from_config(optimizer.get_config()))
    assert "update_step" not in vars(model.optimizer)
    model.compile(optimizer)
    assert "update_step" not in vars(optimizer)


def test_half_precision_scales_the_optimizer_inside():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make()
        changed = fit(
            model, keras.optimizers.SGD(0.1), {"text": 0}, run_eagerly=True
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    assert not any(np.any(delta) for delta in changed["text"])


def test_saved_and_resumed(tmp_path):
    def compiled():
        model = make()
        model.compile(
            keras.optimizers.AdamW(0.01, weight_decay=0.1),
            learning_rate_multipliers={"image": 0, "text": 0.1},
        )
        return model

    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    whole, part = compiled(), compiled()
    whole.fit(X, epochs=2, **options)
    part.fit(X, **options)
    part.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.learning_rate_multipliers == {"image": 0, "text": 0.1}
    loaded.fit(X, **options)
    for a, b in zip(loaded.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.parametrize(
    ("multipliers", "match"),
    [
        ({"video": 1}, r"with keys of \['image', 'text', .*\['video'\]"),
        ({"text": -1}, r"\['text'\]` must be a non-negative number"),
        ({"text": "slow"}, "must be a non-negative number"),
        ([0.1], "must be a dict of numbers"),
    ],
)
def test_wrong_multipliers(multipliers, match):
    with pytest.raises((TypeError, ValueError), match=match):
        make().compile("adam", learning_rate_multipliers=multipliers)


def test_several_optimizers_and_shared_encoders():
    shared = keras.layers.Dense(4)
    model = kx.EmbeddingModel(
        encoders={"a": shared, "b": shared}, embedding_dim=2
    )
    with pytest.raises(ValueError, match=r"share an encoder.*'b': 1"):
        model.compile("adam", learning_rate_multipliers={"a": 0.1})
    optimizer = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.SGD())
    )
    with pytest.raises(ValueError, match="of one optimizer"):
        make().compile(optimizer, learning_rate_multipliers={"text": 0.1})
