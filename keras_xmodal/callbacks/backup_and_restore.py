"""Backups of a training that no kill leaves half written."""

import contextlib
import json
import os
import pathlib

import keras

from keras_xmodal import checks, files
from keras_xmodal.ops.replicas import is_chief, num_workers, of_all_workers

_WEIGHTS, _METADATA = "latest.weights.h5", "training_metadata.json"


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """Back up a training, and go on where it was, whenever it was killed.

    `keras.callbacks.BackupAndRestore` writes over its last backup: a process
    that is killed in that moment leaves a file that stops the next `fit`. This
    one writes beside it, and exchanges the two in one step. It reads what that
    one wrote; with `double_checkpoint`, the older of its two backups.

    Keras does not save the random state of its own layers, such as `Dropout`:
    a model that has them goes on with other draws than if it had not been
    killed.

    Under several workers, worker 0 writes and all of them read: when one is
    killed, start all again, as many as before or not.

    Args:
        backup_dir: Path of a folder for this training alone, which all workers
            see.
        **kwargs: As of `keras.callbacks.BackupAndRestore`: `save_freq`,
            `"epoch"` or a number of batches, and `delete_checkpoint`, whether
            the backup goes when the training is complete.

    Raises:
        TypeError: If `backup_dir` is no path.
        ValueError: If, when training starts, the model is not built, the
            backup is damaged or of another model, or not all workers see it.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.EmbeddingModel({"image": 8, "text": 5}, 4)
        model.compile("adam")
        model(x)  # A model is built before its backup is read.
        backup = kx.callbacks.BackupAndRestore("backup")
        model.fit(x, epochs=3, verbose=0, callbacks=[backup])
        ```
    """

    def __init__(self, backup_dir: str | os.PathLike, **kwargs):
        self.folder = checks.path("backup_dir", backup_dir)
        if self.folder.is_mount():  # A mounted disk cannot be exchanged.
            self.folder /= "backup"
        super().__init__(str(self.folder), **kwargs)

    def on_train_begin(self, logs=None):
        """Restore the backup, if there is one."""
        strategy = self.model.distribute_strategy
        if is_chief(strategy):
            files.recover(self.folder)
            files.check_replaceable(self.folder)
        if num_workers(strategy) > 1:
            of_all_workers(strategy, 0)  # The others wait for the chief.
            self._check_seen_by_all(strategy)
        try:
            super().on_train_begin(logs)
        except (OSError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(
                "`backup_dir` must hold a whole backup of this model, or none. "
                f"Received: {str(self.folder)!r}, where {error}. Remove it to "
                "begin anew"
            ) from error

    def _check_seen_by_all(self, strategy):
        epoch = -1
        with contextlib.suppress(OSError, ValueError, KeyError):
            epoch = json.loads((self.folder / _METADATA).read_text())["epoch"]
        epochs = of_all_workers(strategy, epoch).tolist()
        if len(set(epochs)) > 1:
            raise ValueError(
                "`backup_dir` must be a folder that all workers see, on a disk "
                f"that they share. Received: {str(self.folder)!r}, where the "
                f"workers find backups after epochs {epochs}, -1 being none"
            )

    def on_train_end(self, logs=None):
        """Remove the backup, if it is not to be kept."""
        if is_chief(self.model.distribute_strategy):
            super().on_train_end(logs)

    def _save_model(self):
        if not is_chief(self.model.distribute_strategy):
            self.model.save_weights(self.folder / _WEIGHTS)  # for sums over all
            return
        state = {"epoch": self._current_epoch, "batch": self._last_batch_seen}
        with files.new_folder(self.folder, replace=True) as folder:
            self.model.save_weights(folder / _WEIGHTS)
            (folder / _METADATA).write_text(json.dumps(state))
            if self.double_checkpoint:
                for name in (_WEIGHTS, _METADATA):
                    self._keep(folder, name)

    def _keep(self, folder: pathlib.Path, name):
        last = self.folder / name
        if last.is_file():
            (folder / f"{name}.bkp").write_bytes(last.read_bytes())
