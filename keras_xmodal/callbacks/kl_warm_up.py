"""The divergence from the prior, weighted little at first."""

import warnings

from keras_xmodal import checks
from keras_xmodal.callbacks.weight_schedule import WeightSchedule, training_step


class KLWarmUp(WeightSchedule):
    """Raise the model's `kl_weight` from 0 to 1, in equal steps.

    Early in training, the decoders have nothing to say of the latent, and the
    divergence from the prior may close it for good. The weight is
    `min(1, step / num_steps)` before each training step, in the logs of the
    epoch as `kl_weight`; see `WeightSchedule` for resumed trainings and for
    `EarlyStopping`.

    Args:
        num_steps: Positive integer, training steps (batches, not epochs)
            until the weight is 1.

    Raises:
        TypeError: If `num_steps` is no integer.
        ValueError: If `num_steps` is not positive.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel({"image": 8, "text": 5}, latent_dim=4)
        model.compile("adam")
        warm_up = kx.callbacks.KLWarmUp(num_steps=4)
        history = model.fit(x, epochs=3, verbose=0, callbacks=[warm_up])
        print(history.history["kl_weight"])  # [0.25, 0.75, 1.0]
        ```

    Reference:
        - Sønderby et al., 2016, https://arxiv.org/abs/1602.02282, section 2.3
        - Bowman et al., 2016, https://arxiv.org/abs/1511.06349, section 3.1
    """

    def __init__(self, num_steps: int):
        self.num_steps = checks.positive_integer("num_steps", num_steps)
        super().__init__("kl_weight", self._weight)

    def _weight(self, step):
        return min(1.0, step / self.num_steps)

    def on_train_begin(self, logs=None):
        """Find the weight, set it, and warn if it will not get to 1."""
        super().on_train_begin(logs)
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        done = training_step(self.model)
        if steps and epochs and done + steps * epochs < self.num_steps:
            last = self._weight(done + steps * epochs)
            warnings.warn(
                f"The warm-up of {self.num_steps} steps outlasts the training "
                f"of {steps} steps in each of {epochs} epochs, which ends "
                f"with `kl_weight` at {last:.3g}",
                stacklevel=2,
            )
