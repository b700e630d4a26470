"""Training that ends with the weights that are best on unseen items."""

import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import callbacks as kx_callbacks
from keras_xmodal import checks, files, progress
from keras_xmodal.models import interpolate_weights
from keras_xmodal.recipes.options import Options
from keras_xmodal.recipes.pairs import Pairs
from keras_xmodal.recipes.plan import Plan

ALPHAS = (0.25, 0.5, 0.75)
MONITOR = "val_MRR"


class KeepBest(keras.callbacks.Callback):
    """Stop when no epoch gets better; keep the best weights, or some before.

    The start counts as an epoch, and at the end the straight way from it to
    the best weights is tried: weights between the two know more of what
    training never showed (WiSE-FT).

    Args:
        score: Function from the model to a number, larger where it is better.
        patience: Integer, epochs without a better one before training stops.
        folder: Where to keep the state for a training that is resumed.
        alphas: Shares of the way from the start that are tried at the end;
            none where the start knows nothing.

    Reference:
        - Wortsman et al., 2022, https://arxiv.org/abs/2109.01903
    """

    def __init__(
        self,
        score: Callable[[keras.Model], float],
        patience: int,
        folder: pathlib.Path | None = None,
        alphas: Sequence[float] = ALPHAS,
    ):
        super().__init__()
        self.score = score
        self.patience = patience
        self.alphas = alphas
        self.folder = folder
        self.start: list = []
        self.best: list = []
        self.state: dict[str, Any] = {}

        if folder is not None and folder.is_dir():
            self._read()

    def is_over(self, epochs: int) -> bool:
        """Whether a training that is resumed had come to its end."""
        count = len(self.state.get("history", {}).get(MONITOR, ()))
        return count > 0 and (
            count >= epochs or count - self.state["epoch"] >= self.patience
        )

    def on_train_begin(self, logs=None):
        """Measure the start, unless it was when the training began."""
        if self.state:
            return
        self.start = self.best = self.model.get_weights()
        value = self.score(self.model)
        self.state = {"start": value, "best": value, "epoch": 0, "alpha": 0.0}
        self.state["history"] = {}
        self._write()

    def on_epoch_end(self, epoch, logs=None):
        """Keep the weights if they are the best; stop if none has been."""
        value = self.score(self.model)
        if logs is not None:
            logs[MONITOR] = value
        state = self.state
        for key, values in {**(logs or {}), MONITOR: value}.items():
            known = state["history"].get(key, [])
            state["history"][key] = [*known[:epoch], float(values)]
        epoch += 1
        # One that was killed after its weights were kept comes once more.
        if value > state["best"] or epoch == state["epoch"]:
            self.best = self.model.get_weights()
            state.update(best=value, epoch=epoch, alpha=1.0)
        elif epoch - state["epoch"] >= self.patience:
            self.model.stop_training = True
        self._write(with_weights=state["epoch"] == epoch)

    def on_train_end(self, logs=None):
        """Leave the best weights, or better ones on the way to them."""
        end = self.best
        for alpha in self.alphas if self.state["epoch"] else ():
            weights = interpolate_weights(self.start, end, alpha)
            self.model.set_weights(weights)
            value = self.score(self.model)
            if value > self.state["best"]:
                self.best = weights
                self.state.update(best=value, alpha=alpha)
        self.model.set_weights(self.best)

    def _write(self, with_weights=True):
        if self.folder is None:
            return
        content = json.dumps(self.state)
        if not with_weights:
            files.write(self.folder / "state.json", content.encode())
            return
        with files.new_folder(self.folder, replace=True) as folder:
            for name in ("start", "best"):
                np.savez(folder / f"{name}.npz", *getattr(self, name))
            (folder / "state.json").write_text(content)

    def _read(self):
        for name in ("start", "best"):
            with np.load(self.folder / f"{name}.npz") as arrays:
                setattr(self, name, [arrays[key] for key in arrays.files])
        self.state = json.loads((self.folder / "state.json").read_text())


def as_callbacks(callbacks: Any) -> tuple:
    """One callback, several or None, as Keras takes them."""
    if not isinstance(callbacks, (list, tuple)):
        callbacks = () if callbacks is None else (callbacks,)
    for callback in callbacks:
        kind = keras.callbacks.Callback
        checks.instance_of("callbacks", callback, kind, "Keras callbacks")
    return tuple(callbacks)


def train_stage(
    stage: str,
    model: keras.Model,
    batches: Callable[[int], Iterator],
    steps: int,
    epochs: int,
    options: Options,
    plan: Plan,
    measure: Callable[[keras.Model], float],
    patience: int,
    alphas: Sequence[float] = ALPHAS,
    callbacks: Sequence = (),
) -> tuple[KeepBest | None, dict]:
    """Train, from where a training that was killed had come to.

    Args:
        stage: Its name, of the bar, of the plan and of the backup.
        model: Compiled model.
        batches: As of `train`.
        steps: As of `train`.
        epochs: As of `train`.
        options: Of the recipe.
        plan: To which the choice is added.
        measure: As the `score` of `KeepBest`.
        patience: As of `KeepBest`.
        alphas: As of `KeepBest`.
        callbacks: Further Keras callbacks.

    Returns:
        What was kept, or None where nothing is held out; and the values of
        each epoch.
    """
    place = None if options.backup is None else options.backup / stage
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    keep = None
    if options.stops_early:
        folder = place and place / "best"
        keep = KeepBest(measure, patience, folder, alphas)
    bar = [ProgressBar(stage)] if options.verbose else []
    if keep is not None and keep.is_over(epochs):
        keep.set_model(model)
        keep.on_train_end()
        history = {}
    else:
        history = train(
            model,
            batches,
            steps,
            epochs,
            keep,
            (*callbacks, *bar),
            place and place / "backup",
        )
    if keep is None:
        plan.add(
            f"training of the {stage}",
            f"{epochs} epochs",
            "no items are held out to stop by",
        )
        return None, history
    state = keep.state
    share = f", {state['alpha']:.0%} of the way" if alphas else ""
    plan.add(
        f"training of the {stage}",
        f"epoch {state['epoch']}" + (share if state["epoch"] else ""),
        f"MRR of the validation items {state['start']:.3f} before, "
        f"{state['best']:.3f} after",
    )
    return keep, state["history"]


def train(
    model: keras.Model,
    batches: Callable[[int], Iterator],
    steps: int,
    epochs: int,
    keep: KeepBest | None,
    callbacks: tuple = (),
    backup: pathlib.Path | None = None,
) -> dict:
    """Fit on the batches of each epoch, which follow from its number.

    Args:
        model: Compiled model.
        batches: Function from the number of an epoch to its batches.
        steps: Integer, batches of an epoch.
        epochs: Integer, at most.
        keep: What the training ends with, or None for its last epoch.
        callbacks: Further Keras callbacks.
        backup: Folder of the backup of a training that can be resumed.

    Returns:
        Dict of the values of each epoch.
    """
    clock = _Epoch()
    signature = keras.tree.map_structure(
        lambda x: tf.TensorSpec((None, *np.shape(x)[1:]), np.asarray(x).dtype),
        next(batches(0)),
    )
    data = tf.data.Dataset.from_generator(
        lambda: batches(clock.epoch), output_signature=signature
    )
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    backups = []
    if backup is not None:
        backups = [
            kx_callbacks.BackupAndRestore(backup, delete_checkpoint=False)
        ]
    history = model.fit(
        data.prefetch(2),
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[clock, *filter(None, [keep]), *callbacks, *backups],
    )
    return history.history


class _Epoch(keras.callbacks.Callback):
    """The number of the epoch that is to be drawn, by dropout as well."""

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        for variable in self.model.variables:
            if variable.path.endswith("seed_generator_state"):
                seed = np.asarray(variable)[0]
                variable.assign(np.array([seed, epoch << 16], "uint32"))


class ProgressBar(keras.callbacks.Callback):
    """One bar for a stage, where Keras draws one an epoch."""

    def __init__(self, stage: str):
        super().__init__()
        self.stage = stage

    def on_train_begin(self, logs=None):
        """Begin with nothing."""
        self.bar = progress.bar(
            total=self.params["epochs"], desc=self.stage, unit="epoch"
        )

    def on_epoch_end(self, epoch, logs=None):
        """Show what the epoch has brought."""
        self.bar.n = epoch + 1
        keys = [key for key in ("loss", MONITOR) if key in logs]
        self.bar.set_postfix({key: f"{logs[key]:.3f}" for key in keys})

    def on_train_end(self, logs=None):
        """Leave the bar as it is."""
        self.bar.close()


def example(x: Any, train: Pairs, batch: np.ndarray) -> tuple:
    """A batch of rows, their ids, and where something is missing weights."""
    ids = train.ids[batch]
    if all(there.all() for there in train.there.values()):
        return x, ids
    weights = {n: w[batch].astype("float32") for n, w in train.there.items()}
    return x, ids, weights


def make_optimizer(
    learning_rate: float, steps: int
) -> keras.optimizers.Optimizer:
    """AdamW whose rate rises for a twentieth of the steps, and falls to 0.

    Args:
        learning_rate: Float, the highest rate.
        steps: Integer, all steps of the training.

    Returns:
        Keras optimizer.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps - steps // 20),
        warmup_target=learning_rate,
        warmup_steps=max(1, steps // 20),
    )
    return keras.optimizers.AdamW(
        schedule, weight_decay=0.02, global_clipnorm=1.0
    )
