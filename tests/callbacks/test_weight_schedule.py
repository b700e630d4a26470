import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.callbacks import WeightSchedule
from tests.callbacks import known_gan


def data(examples=32):
    rng = np.random.default_rng(0)
    return {
        "a": rng.normal(size=(examples, 6)).astype("float32"),
        "b": rng.normal(size=(examples, 4)).astype("float32"),
    }


FIT = {"batch_size": 8, "verbose": 0}


def make_model(**kwargs):
    keras.utils.set_random_seed(0)
    model = kx.VAEModel({"a": 6, "b": 4}, 3)
    # Tracing a graph takes longer than so few steps.
    model.compile(
        keras.optimizers.SGD(0.01), **(kwargs or {"run_eagerly": True})
    )
    return model


class Recorder(keras.callbacks.Callback):
    """Notes the weight that each batch is trained with."""

    def __init__(self, read):
        super().__init__()
        self.read, self.values = read, []

    def on_train_batch_begin(self, batch, logs=None):
        self.values.append(float(self.read(self.model)))


def test_every_batch_has_the_weight_of_its_step():
    recorder = Recorder(lambda model: model.kl_weight)
    steps = []

    def schedule(step):
        steps.append(step)
        return step / 8

    callback = WeightSchedule("kl_weight", schedule)
    history = make_model().fit(
        data(),
        epochs=2,
        batch_size=8,
        verbose=0,
        callbacks=[callback, recorder],
    )
    assert recorder.values == [i / 8 for i in range(8)]
    assert all(type(step) is int for step in steps)
    assert history.history["kl_weight"] == [3 / 8, 7 / 8]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_compiled_step_reads_it(jit_compile):
    """With weight 0, the divergence is not part of the loss; with 1, it is."""
    model = make_model(jit_compile=jit_compile)
    callback = WeightSchedule("kl_weight", lambda step: step % 2)
    losses = []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append(dict(logs))
            self.model.reset_metrics()

    model.fit(
        data(8),
        epochs=4,
        batch_size=8,
        verbose=0,
        shuffle=False,
        callbacks=[callback, Note()],
    )
    for step, logs in enumerate(losses):
        expected = logs["a_loss"] + logs["b_loss"] + (step % 2) * logs["kl"]
        assert logs["kl"] > 1e-3
        assert logs["loss"] == pytest.approx(expected, rel=1e-4)


def test_several_steps_in_one_execution():
    recorder = Recorder(lambda model: model.kl_weight)
    callback = WeightSchedule("kl_weight", lambda step: step)
    make_model(steps_per_execution=2).fit(
        data(),
        epochs=2,
        batch_size=8,
        verbose=0,
        callbacks=[callback, recorder],
    )
    assert recorder.values == [0, 2, 4, 6]


def test_a_resumed_training_goes_on(tmp_path):
    model = make_model()
    callback = WeightSchedule("kl_weight", lambda step: step)
    model.fit(data(), **FIT, callbacks=[callback])
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert float(model.kl_weight) == 3
    recorder = Recorder(lambda model: model.kl_weight)
    callback = WeightSchedule("kl_weight", lambda step: step)
    model.fit(data(), **FIT, callbacks=[callback, recorder])
    assert recorder.values == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("free_bits", lambda model: model.free_bits),
        ("modality_weights/b", lambda model: model.modality_weights["b"]),
    ],
)
def test_other_weights_and_schedules_of_keras(name, read):
    recorder = Recorder(read)
    schedule = keras.optimizers.schedules.PolynomialDecay(4.0, 4, 0.0)
    history = make_model().fit(
        data(),
        epochs=2,
        batch_size=16,
        verbose=0,
        callbacks=[WeightSchedule(name, schedule), recorder],
    )
    np.testing.assert_allclose(recorder.values, [4, 3, 2, 1])
    np.testing.assert_allclose(history.history[name], [3, 1])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_penalties_of_a_gan(jit_compile):
    """The step is the model's, whose optimizers count updates."""

    def make():
        gan = known_gan.make_gan((0.0, 0.1))
        gan.compile(
            keras.optimizers.SGD(0.0),
            keras.optimizers.SGD(0.1),
            loss="wasserstein",
            penalties=[kx.adversarial.R1(1.0)],
            discriminator_steps=2,
            jit_compile=jit_compile,
        )
        return gan

    recorder = Recorder(lambda model: model.penalty_weight)
    callback = WeightSchedule("penalty_weight", lambda step: step / 4)
    gan = make()
    history = known_gan.fit(gan, callback, recorder, epochs=2)
    assert recorder.values == [0, 0.25, 0.5, 0.75]
    assert history["penalty_weight"] == [0.25, 0.75]
    # It has its effect on the discriminator.
    other = make()
    known_gan.fit(other, epochs=2)
    change = gan.discriminator.get_weights()[0]
    change = change - other.discriminator.get_weights()[0]
    assert np.abs(change).max() > 1e-4


def test_a_resumed_training_of_a_gan_goes_on(tmp_path):
    gan = known_gan.make_gan()
    callback = WeightSchedule("penalty_weight", lambda step: step)
    known_gan.fit(gan, callback)
    gan.save(tmp_path / "gan.keras")
    gan = keras.saving.load_model(tmp_path / "gan.keras")
    recorder = Recorder(lambda model: model.penalty_weight)
    known_gan.fit(gan, callback, recorder)
    assert recorder.values == [2, 3]


def test_the_step_of_a_gan_is_no_weight():
    with pytest.raises(ValueError, match=r"one of \['penalty_weight'\]\."):
        known_gan.fit(known_gan.make_gan(), WeightSchedule("step", abs))


@pytest.mark.parametrize(
    ("name", "schedule", "match"),
    [
        (3, abs, "`name` must be a string"),
        ("kl_weight", 0.5, "`schedule` must"),
    ],
)
def test_bad_arguments(name, schedule, match):
    with pytest.raises(TypeError, match=match):
        WeightSchedule(name, schedule)


@pytest.mark.parametrize(
    "name",
    ["beta", "modality_weights/c", "modality_weights", "modalities", "/"],
)
def test_unknown_weight(name):
    with pytest.raises(
        ValueError,
        match=r"one of \[.*'kl_weight'.*'modality_weights/a'.*Received: name=",
    ):
        make_model().fit(
            data(), verbose=0, callbacks=[WeightSchedule(name, abs)]
        )


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_bad_value(value):
    with pytest.raises(ValueError, match=r"finite numbers.*at step 0"):
        make_model().fit(
            data(),
            verbose=0,
            callbacks=[WeightSchedule("kl_weight", lambda step: value)],
        )
