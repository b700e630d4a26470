"""What callbacks that draw pictures share."""

import importlib.util

import tensorflow as tf

from keras_xmodal import checks, files
from keras_xmodal.callbacks.periodic_callback import WritingCallback
from keras_xmodal.plots import drawing
from keras_xmodal.plots.cells import to_cells


class FigureCallback(WritingCallback):
    """Base of callbacks that draw a picture of the model every few epochs.

    A subclass has a `title`, the start of its files' names, and a method
    `draw(model)` that returns a `matplotlib.figure.Figure`, or None for no
    picture.
    """

    title = "picture"

    def __init__(self, folder, frequency=1, to_text=None, log_dir=None):
        super().__init__(frequency)
        self.folder = checks.path("folder", folder)
        self.log_dir = checks.path("log_dir", log_dir, optional=True)
        if log_dir and importlib.util.find_spec("tensorboard") is None:
            raise ImportError(
                "`log_dir` needs TensorBoard. Install it with `pip install "
                "keras-xmodal[tensorboard]`."
            )
        self.to_text = checks.functions("to_text", to_text, optional=True)
        self._writer = None

    def on_train_begin(self, logs=None):
        """Check the modalities and create the folder."""
        super().on_train_begin(logs)
        if self.to_text:
            checks.modalities("to_text", self.to_text, self.model.modalities)
        files.writable_folder(self.folder)
        if self.log_dir is not None:
            self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def write(self, epoch):
        """Draw the model in training, and write the file."""
        figure = self.draw(self.model)
        if figure is None:
            return
        picture = drawing.to_png(figure)
        name = f"{self.title}_{epoch + 1:04d}.png"
        files.write(self.folder / name, picture)
        if self._writer is not None:
            pixels = tf.io.decode_png(picture, channels=3)
            with self._writer.as_default():
                tf.summary.image(self.title, pixels[None], step=epoch)
            self._writer.flush()

    def on_train_end(self, logs=None):
        """Draw the last epoch, if it is not yet; close the TensorBoard run."""
        super().on_train_end(logs)
        if self._writer is not None:
            self._writer.close()

    def draw(self, model):
        """Draw a model, in training or not."""
        raise NotImplementedError

    def cells(self, name, generate):
        """Cells of a grid for what the model generates."""
        to_text = self.to_text.get(name)
        output = "mean" if to_text is None else "mode"
        return to_cells(generate(output), to_text)
