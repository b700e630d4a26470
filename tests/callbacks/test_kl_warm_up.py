import warnings

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.callbacks import KLWarmUp


def data(examples=32):
    rng = np.random.default_rng(0)
    return {
        "a": rng.normal(size=(examples, 6)).astype("float32"),
        "b": rng.normal(size=(examples, 4)).astype("float32"),
    }


def make_model(**kwargs):
    keras.utils.set_random_seed(0)
    model = kx.VAEModel({"a": 6, "b": 4}, 3)
    model.compile(
        keras.optimizers.SGD(0.01), **(kwargs or {"run_eagerly": True})
    )
    return model


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_begin(self, batch, logs=None):
        self.values.append(float(self.model.kl_weight))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_weight_rises_to_one_and_stays(jit_compile):
    recorder, model = Recorder(), make_model(jit_compile=jit_compile)
    history = model.fit(
        data(),
        epochs=2,
        batch_size=8,
        verbose=0,
        callbacks=[KLWarmUp(5), recorder],
    )
    np.testing.assert_allclose(
        recorder.values, [0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1], rtol=1e-6
    )
    np.testing.assert_allclose(history.history["kl_weight"], [0.6, 1.0])
    assert float(model.kl_weight) == 1


def test_without_the_divergence_the_posterior_is_free_of_the_prior():
    """A long warm-up leaves a larger divergence than none."""
    kl = []
    for callbacks in ([], [KLWarmUp(10_000)]):
        keras.utils.set_random_seed(0)
        model = kx.VAEModel({"a": 6, "b": 4}, 3)
        model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            history = model.fit(
                data(), epochs=20, verbose=0, callbacks=callbacks
            )
        kl.append(history.history["kl"][-1])
    assert kl[1] > 1.5 * kl[0]


def test_a_warm_up_that_outlasts_the_training():
    with pytest.warns(
        UserWarning, match=r"of 50 steps .* of 4 steps .* 2 epochs.*at 0\.16$"
    ):
        make_model().fit(
            data(), epochs=2, batch_size=8, verbose=0, callbacks=[KLWarmUp(50)]
        )


def test_steps_that_were_trained_before_count():
    """Warnings are errors here."""
    model = make_model()
    for _ in range(2):
        model.fit(data(), batch_size=8, verbose=0, callbacks=[KLWarmUp(4)])
    with pytest.warns(UserWarning, match="outlasts"):
        model.fit(data(), batch_size=8, verbose=0, callbacks=[KLWarmUp(13)])
    model.fit(data(), batch_size=8, verbose=0, callbacks=[KLWarmUp(16)])


@pytest.mark.parametrize(
    ("num_steps", "error", "match"),
    [
        (0, ValueError, "`num_steps` must be a positive"),
        (2.5, TypeError, "`num_steps` must be a positive"),
        (None, TypeError, "`num_steps` must be a positive"),
        (True, TypeError, "`num_steps` must be a positive"),
    ],
)
def test_bad_arguments(num_steps, error, match):
    with pytest.raises(error, match=match):
        KLWarmUp(num_steps)
