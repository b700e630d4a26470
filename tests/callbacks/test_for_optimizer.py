import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.callbacks import ForOptimizer
from tests.callbacks.known_gan import fit, make_gan

GENERATOR, DISCRIMINATOR = "generator_optimizer", "discriminator_optimizer"


def rates(gan):
    return [
        float(optimizer.learning_rate)
        for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer)
    ]


def plateau(monitor="generator_loss"):
    """Halve after each epoch but the first, for nothing is improvement."""
    return keras.callbacks.ReduceLROnPlateau(
        monitor, factor=0.5, patience=1, mode="min", min_delta=1e9
    )


def double(**kwargs):
    return keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: 2 * rate, **kwargs
    )


def test_the_other_optimizer_keeps_its_rate():
    gan = make_gan((0.1, 0.2))
    history = fit(gan, ForOptimizer(GENERATOR, plateau()), epochs=3)
    assert rates(gan) == pytest.approx([0.025, 0.2])
    # As Keras has it: the rate with which the epoch was trained.
    assert history["generator_learning_rate"] == pytest.approx([0.1, 0.1, 0.05])
    assert "discriminator_learning_rate" not in history
    assert "learning_rate" not in history


def test_one_for_each():
    gan = make_gan((0.1, 0.2))
    history = fit(
        gan,
        ForOptimizer(GENERATOR, double()),
        ForOptimizer(DISCRIMINATOR, plateau("discriminator_loss")),
        epochs=3,
    )
    assert rates(gan) == pytest.approx([0.8, 0.05])
    assert history["generator_learning_rate"] == pytest.approx([0.2, 0.4, 0.8])
    assert history["discriminator_learning_rate"] == pytest.approx(
        [0.2, 0.2, 0.1]
    )
    assert "learning_rate" not in history


@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_takes_the_rate(jit_compile):
    gan = make_gan()
    gan.compile(
        keras.optimizers.SGD(0.1),
        keras.optimizers.SGD(0.1),
        jit_compile=jit_compile,
    )
    before = [n.get_weights() for n in (gan.generator, gan.discriminator)]
    stop = keras.callbacks.LearningRateScheduler(lambda epoch: 0.0)
    fit(gan, ForOptimizer(GENERATOR, stop))
    np.testing.assert_array_equal(gan.generator.get_weights()[0], before[0][0])
    change = gan.discriminator.get_weights()[0] - before[1][0]
    assert np.abs(change).max() > 1e-4


def test_a_resumed_training_goes_on(tmp_path):
    gan = make_gan((0.1, 0.2))
    fit(gan, ForOptimizer(GENERATOR, double()), epochs=2)
    gan.save(tmp_path / "gan.keras")
    gan = keras.saving.load_model(tmp_path / "gan.keras")
    assert rates(gan) == pytest.approx([0.4, 0.2])
    fit(gan, ForOptimizer(GENERATOR, double()), epochs=3, initial_epoch=2)
    assert rates(gan) == pytest.approx([0.8, 0.2])


def test_a_backup_restores_the_rate(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def callbacks():
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return backup, ForOptimizer(DISCRIMINATOR, double())

    with pytest.raises(KeyboardInterrupt):
        fit(make_gan((0.1, 0.2)), *callbacks(), Interrupt(), epochs=4)
    gan = make_gan((0.1, 0.2))
    history = fit(gan, *callbacks(), epochs=4)
    assert len(history["generator_loss"]) == 2
    assert rates(gan) == pytest.approx([0.1, 0.2 * 2**4])


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        gan = kx.GANModel(3, 2)
        gan.compile(*(keras.optimizers.SGD(0.1) for _ in range(2)))
        rng = np.random.default_rng(0)
        halve = ForOptimizer(GENERATOR, plateau())
        gan.fit(
            rng.random((8, 3)),
            rng.random((8, 2)),
            epochs=2,
            verbose=0,
            callbacks=[halve],
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(
        gan.generator_optimizer, keras.optimizers.LossScaleOptimizer
    )
    assert rates(gan) == pytest.approx([0.05, 0.1])


class Record(keras.callbacks.Callback):
    """Notes each hook with its arguments."""

    def __init__(self):
        super().__init__()
        self.calls = []
        for name in dir(self):
            if name.startswith("on_"):
                setattr(self, name, self.hook(name))

    def hook(self, name):
        def note(*args, **kwargs):
            numbers = [a for a in args if isinstance(a, int)]
            logs = [*args, *kwargs.values()][-1]
            self.calls.append((name, numbers, sorted(logs or {})))

        return note


def test_all_hooks_params_and_logs_are_passed_on():
    seen = []
    for wrap in (False, True):
        record = Record()
        callback = ForOptimizer(GENERATOR, record) if wrap else record
        gan = make_gan()
        x = np.zeros(4, "int32"), np.zeros((4, 4), "float32")
        fit(gan, callback, validation_data=x)
        assert record.params["epochs"] == 1
        gan.predict(x[0], verbose=0, callbacks=[callback])
        seen.append(record.calls)
    assert [c[0] for c in seen[0]] == [c[0] for c in seen[1]]
    assert seen[0] == seen[1]
    names = {call[0] for call in seen[1]}
    assert len(names) == 14


def test_the_model_is_there_in_full():
    gan = make_gan()
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            model = self.model
            seen.append(model.optimizer is gan.discriminator_optimizer)
            seen.append(model.step is gan.step)
            seen.append(model(np.zeros(2, "int32")).shape == (2, 4))
            model.stop_training = True
            logs["learning_rate_of_mine"] = logs["generator_loss"]

    history = fit(gan, ForOptimizer(DISCRIMINATOR, Look()), epochs=3)
    assert seen == [True] * 3
    assert history["learning_rate_of_mine"] == history["generator_loss"]


def test_the_optimizer_of_any_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    history = model.fit(
        np.zeros((4, 2)),
        np.zeros((4, 1)),
        verbose=0,
        callbacks=[ForOptimizer("optimizer", double())],
    ).history
    assert history["learning_rate"] == pytest.approx([0.2])


def test_bad_arguments():
    with pytest.raises(TypeError, match="`name` must be a string"):
        ForOptimizer(3, double())
    with pytest.raises(TypeError, match="`callback` must be a Keras callback"):
        ForOptimizer(GENERATOR, lambda epoch: 0.1)


@pytest.mark.parametrize("name", ["generator", "optimizer", "_trackers"])
def test_an_unknown_optimizer_is_found_before_training(name):
    gan = make_gan()
    with pytest.raises(
        ValueError,
        match=r"one of \['generator_optimizer', 'discriminator_optimizer'\]",
    ):
        fit(gan, ForOptimizer(name, double()))
    assert int(gan.step) == 0
