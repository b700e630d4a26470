"""What callbacks that look at a model every few epochs share."""

import copy

import keras
import tensorflow as tf

from keras_xmodal import checks

# What a copy of a callback shares with it: read only, or not to be copied.
_SHARED = (
    keras.Model,
    keras.Variable,
    keras.utils.PyDataset,
    tf.data.Dataset,
    tf.summary.SummaryWriter,
)


class CopyableCallback(keras.callbacks.Callback):
    """Base of callbacks whose deep copies share their data, and their model.

    Tuners make such a copy for each trial.
    """

    def __deepcopy__(self, memo):
        """Copy all but the data and the model."""
        state = vars(self)
        for name, value in state.items():
            if name == "data" or isinstance(value, _SHARED):
                memo[id(value)] = value
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        vars(copied).update(copy.deepcopy(state, memo))
        return copied


class PeriodicCallback(CopyableCallback):
    """Base of callbacks for some epochs: the first, the last, and between."""

    def __init__(self, frequency):
        super().__init__()
        self.frequency = checks.positive_integer("frequency", frequency)

    def is_due(self, epoch):
        """Whether the frequency falls on an epoch, or it is the last one."""
        last = (self.params or {}).get("epochs")
        return (epoch + 1) % self.frequency == 0 or epoch + 1 == last


class WritingCallback(PeriodicCallback):
    """Base of callbacks that write something of a model every few epochs.

    The first epoch and the last one are written in any case.

    A subclass has a method `write(epoch)`.
    """

    def __init__(self, frequency):
        super().__init__(frequency)
        self._epoch = self._written = None

    def on_train_begin(self, logs=None):
        """Forget another training."""
        self._epoch = self._written = None

    def on_epoch_end(self, epoch, logs=None):
        """Write the first epoch, and then every few."""
        self._epoch = epoch
        if self._written is None or self.is_due(epoch):
            self._write(epoch)

    def on_train_end(self, logs=None):
        """Write the last epoch, if it is not yet."""
        if self._written != self._epoch:  # Something has stopped the training.
            self._write(self._epoch)

    def _write(self, epoch):
        self._written = epoch
        self.write(epoch)

    def write(self, epoch):
        """Write something of the model in training, after an epoch."""
        raise NotImplementedError


class EvaluationCallback(PeriodicCallback):
    """Base of callbacks whose `evaluate(model)` returns a dict of floats.

    They are in the logs of every epoch, those of the last evaluation: a
    `ModelCheckpoint` that misses its metric in an epoch would save the model
    then, over the best one. So the first epoch is evaluated, too.
    """

    # Models of this package call it before Keras' callbacks that read logs.
    adds_logs = True

    def __init__(self, frequency, prefix, batch_size):
        super().__init__(frequency)
        self.prefix = checks.string("prefix", prefix)
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        self._results = None

    def on_train_begin(self, logs=None):
        """Forget the results of another training."""
        self._results = None

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate, and add the results to the logs."""
        if self._results is None or self.is_due(epoch):
            self._results = self.evaluate(self.model)
        if logs is not None:
            logs.update(self._results)

    def evaluate(self, model):
        """Evaluate a model, in training or not."""
        raise NotImplementedError
