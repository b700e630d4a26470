"""Backups of a training that no kill leaves half written."""

import json
import os
import pathlib

import keras

from keras_xmodal import checks, files

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

    Args:
        backup_dir: Path of a folder for this training alone.
        **kwargs: As of `keras.callbacks.BackupAndRestore`: `save_freq`,
            `"epoch"` or a number of batches, and `delete_checkpoint`, whether
            the backup goes when the training is complete.

    Raises:
        TypeError: If `backup_dir` is no path.
        ValueError: If, when training starts, the model is not built, or the
            backup is damaged or of another model.

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
        files.recover(self.folder)
        files.check_replaceable(self.folder)
        try:
            super().on_train_begin(logs)
        except (OSError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(
                "`backup_dir` must hold a whole backup of this model, or none. "
                f"Received: {str(self.folder)!r}, where {error}. Remove it to "
                "begin anew"
            ) from error

    def _save_model(self):
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
