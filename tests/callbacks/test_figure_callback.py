import os
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.callbacks.figure_callback import FigureCallback
from keras_xmodal.plots import drawing
from keras_xmodal.plots.cells import to_cells


class Gray(FigureCallback):
    title = "gray"

    def draw(self, model):
        images = np.full((1, 4, 4, 1), 0.5)
        return drawing.draw_grid([to_cells(images)])


class Nothing(FigureCallback):
    def draw(self, model):
        return None


def fit(*callbacks, epochs=3, **kwargs):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.modalities = ["a", "b"]
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    x = np.ones((4, 2), "float32")
    model.fit(
        x, x[:, :1], epochs=epochs, verbose=0, callbacks=callbacks, **kwargs
    )


def names(folder):
    return sorted(path.name for path in pathlib.Path(folder).iterdir())


def test_files_have_the_number_of_the_epoch(tmp_path):
    folder = tmp_path / "a" / "b"
    fit(Gray(folder))
    assert names(folder) == [f"gray_000{i}.png" for i in (1, 2, 3)]
    fit(Gray(str(folder)), epochs=5, initial_epoch=3)
    assert len(names(folder)) == 5


@pytest.mark.parametrize(
    ("frequency", "epochs", "drawn"),
    [
        (2, 5, [1, 2, 4, 5]),
        (2, 4, [1, 2, 4]),
        (20, 3, [1, 3]),
        (20, 1, [1]),
        (1, 3, [1, 2, 3]),
    ],
)
def test_the_first_and_the_last_epoch_and_between(
    tmp_path, frequency, epochs, drawn
):
    fit(Gray(tmp_path, frequency=frequency), epochs=epochs)
    assert names(tmp_path) == [f"gray_000{epoch}.png" for epoch in drawn]


def test_a_training_that_stops_early_is_drawn_as_it_stopped(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    callback = Gray(tmp_path, frequency=20)
    fit(callback, Stop(), epochs=100)
    assert names(tmp_path) == ["gray_0001.png", "gray_0003.png"]
    fit(callback, Stop(), epochs=100)  # and again
    fit(callback, initial_epoch=9, epochs=9)
    assert len(names(tmp_path)) == 2


def test_no_picture_no_file(tmp_path):
    fit(Nothing(tmp_path / "a", log_dir=tmp_path / "b"))
    assert names(tmp_path / "a") == []


def test_tensorboard_gets_the_picture(tmp_path):
    event_file_loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader"
    )
    fit(Gray(tmp_path / "a", frequency=2, log_dir=tmp_path / "b"), epochs=4)
    (path,) = (tmp_path / "b").iterdir()
    found = {
        event.step: tf.make_ndarray(value.tensor)[2]
        for event in event_file_loader.EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag == "gray"
    }
    assert sorted(found) == [0, 1, 3]
    picture = tf.io.decode_png((tmp_path / "a" / "gray_0002.png").read_bytes())
    np.testing.assert_array_equal(tf.io.decode_png(found[1]), picture[..., :3])


def test_tensorboard_is_missing(tmp_path, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"keras-xmodal\[tensorboard\]"):
        Gray(tmp_path, log_dir=tmp_path)
    Gray(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"folder": None}, TypeError, "`folder` must be a string or path"),
        ({"log_dir": 3}, TypeError, "`log_dir` must be .*log_dir=3 of type in"),
        ({"frequency": 0}, ValueError, "`frequency` must be a positive"),
        ({"to_text": {"a": "b"}}, TypeError, "`to_text` must be a dict"),
    ],
)
def test_bad_arguments(tmp_path, arguments, error, match):
    with pytest.raises(error, match=match):
        Gray(**{"folder": tmp_path, **arguments})


def test_what_is_found_before_training(tmp_path):
    with pytest.raises(ValueError, match=r"`to_text` must .*\['a', 'b'\].*'c'"):
        fit(Gray(tmp_path, to_text={"c": str}))
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        fit(Gray(tmp_path / "file"))


def test_a_folder_that_cannot_be_written_is_found_before(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        fit(Gray(tmp_path / "file"))
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(PermissionError, match="one to write to"):
        fit(Gray(tmp_path / "new"))
