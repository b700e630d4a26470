"""How long the training waits for its data."""

import time

import tensorflow as tf

from keras_xmodal.callbacks.periodic_callback import CopyableCallback


class InputWait(CopyableCallback):
    """Say in the logs which share of an epoch its steps wait for data.

    `input_wait` of an epoch is the time in which `fit` asks for the next batch
    and does not have it, divided by all time from the beginning of the epoch to
    the end of its last step; validation does not count. Near 0, a faster input
    changes nothing; at 0.5 it halves the time at most. The first epoch has the
    tracing of the step in it, and the first reading of what is cached or
    checked. On a GPU, steps may still run while `fit` asks for more, so that it
    is an upper bound.

    It works with all data that `fit` takes, in every model of Keras on
    TensorFlow, with `jit_compile` and under `tf.distribute` strategies. With
    `steps_per_execution` each step is started from Python, as without.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"a": np.random.rand(64, 8), "b": np.random.rand(64, 5)}
        model = kx.EmbeddingModel({"a": 8, "b": 5}, 4)
        model.compile("adam")
        wait = kx.callbacks.InputWait()
        history = model.fit(x, epochs=2, verbose=0, callbacks=[wait])
        print(history.history["input_wait"])
        ```
    """

    adds_logs = True

    def on_train_begin(self, logs=None):
        """Let each step be given its data from here."""
        steps = self.model.train_function
        if isinstance(steps, _WatchedSteps):  # of a training that failed
            steps = steps.steps
        self._steps = _WatchedSteps(steps, self.model.steps_per_execution)
        self.model.train_function = self._steps

    def on_train_end(self, logs=None):
        """Leave the model as it was."""
        self.model.train_function = self._steps.steps
        self._steps = None

    def on_epoch_begin(self, epoch, logs=None):
        """Begin to count."""
        self._begin = self._steps.end = time.perf_counter()
        self._steps.waited = 0.0

    def on_epoch_end(self, epoch, logs=None):
        """Add the share to the logs."""
        seconds = self._steps.end - self._begin
        if logs is not None and seconds:
            logs["input_wait"] = self._steps.waited / seconds


class _WatchedSteps:
    """The train function of a model, which sees the time that data takes."""

    def __init__(self, steps, count):
        self.steps, self.count = steps, count
        self.waited = self.end = 0.0

    def __call__(self, iterator):
        try:
            return self.steps(self._batches(iterator))
        finally:
            self.end = time.perf_counter()

    def _batches(self, iterator):
        for number in range(self.count):
            begin = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - begin
            if batch is None:
                if not number:  # As Keras knows the end of an epoch.
                    raise tf.errors.OutOfRangeError(None, None, "End of data")
                return
            yield batch
