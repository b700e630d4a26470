"""Callbacks of Keras for one of several optimizers."""

import keras

from keras_xmodal import checks
from keras_xmodal.callbacks.periodic_callback import CopyableCallback


class ForOptimizer(CopyableCallback):
    """Make a callback of Keras act on one optimizer of a model with several.

    `keras.callbacks.LearningRateScheduler` and `ReduceLROnPlateau` change the
    learning rate of `model.optimizer`. A `GANModel` has two others,
    `generator_optimizer` and `discriminator_optimizer`: the wrapped callback
    finds the one of this name in that place, and all else as it is.

    What the callback logs as `learning_rate` is in the logs of the epoch as
    `generator_learning_rate`, after the name of the optimizer; all else keeps
    its name. The learning rate itself is saved with the model, and a training
    that is resumed goes on with it.

    Args:
        name: String, the name of the optimizer in the model.
        callback: `keras.callbacks.Callback`, for this optimizer alone.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If, when training starts, the model has no such optimizer.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        x, y = np.random.rand(64, 32), np.random.rand(64, 8)
        gan = kx.GANModel(32, 8)
        gan.compile()
        halve = keras.callbacks.LearningRateScheduler(lambda i, rate: rate / 2)
        halve = kx.callbacks.ForOptimizer("generator_optimizer", halve)
        history = gan.fit(x, y, epochs=2, verbose=0, callbacks=[halve])
        print(history.history["generator_learning_rate"])  # [1e-4, 5e-5]
        ```
    """

    def __init__(self, name: str, callback: keras.callbacks.Callback):
        super().__init__()
        self.name = checks.string("name", name)
        self.callback = checks.instance_of(
            "callback", callback, keras.callbacks.Callback, "a Keras callback"
        )
        # Keras looks at them to see whether batches may be logged later.
        for hook in dir(keras.callbacks.Callback):
            if hook.startswith("on_") and hook != "on_epoch_end":
                setattr(self, hook, getattr(callback, hook))

    def set_params(self, params):
        super().set_params(params)
        self.callback.set_params(params)

    def set_model(self, model):
        super().set_model(model)
        optimizers = [
            name
            for name, value in vars(model).items()
            if isinstance(value, keras.optimizers.Optimizer)
        ]
        if self.name not in optimizers:
            raise ValueError(
                "`name` must be that of an optimizer of the model, one of "
                f"{optimizers}. Received: name={self.name!r}"
            )
        self.callback.set_model(_View(model, self.name))

    def on_epoch_end(self, epoch, logs=None):
        """Let the callback end the epoch, and name its learning rate."""
        seen = {k: v for k, v in (logs or {}).items() if k != "learning_rate"}
        self.callback.on_epoch_end(epoch, seen)
        if "learning_rate" in seen:
            name = f"{self.name}_learning_rate".replace("optimizer_", "")
            seen[name] = seen.pop("learning_rate")
        if logs is not None:
            logs.update(seen)


class _View:
    """A model, with one of its optimizers as `optimizer`."""

    def __init__(self, model, name):
        vars(self).update(_model=model, _name=name)

    @property
    def optimizer(self):
        return getattr(self._model, self._name)

    def __getattr__(self, name):
        return getattr(self._model, name)

    def __setattr__(self, name, value):
        setattr(self._model, name, value)

    def __deepcopy__(self, memo):
        return self

    def __call__(self, *args, **kwargs):
        return self._model(*args, **kwargs)
