"""Embeddings for TensorBoard's projector."""

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_xmodal import checks, files
from keras_xmodal.callbacks.evaluation_data import check_dataset, gather
from keras_xmodal.callbacks.periodic_callback import WritingCallback
from keras_xmodal.plots.cells import to_cells
from keras_xmodal.plots.thumbnails import to_thumbnail

_FOLDER, _CONFIG = "projector", "projector_config.pbtxt"
_LARGEST_SPRITE = 8192  # pixels of a side, which browsers draw


class Projector(WritingCallback):
    """Show the embeddings of a validation set in TensorBoard's projector.

    Every row of every modality becomes a point, with its picture: the image,
    the frame in the middle of a clip, the spectrogram of a recording, the text.
    Points can be coloured by modality, and searched by label, text and id. It
    is the last epoch that is shown; a TensorBoard that runs must be started
    anew to see it.

    Keras' own `TensorBoard(embeddings_freq=...)` is for something else, the
    weights of `Embedding` layers.

    Into `log_dir` go `projector_config.pbtxt` and the folder `projector`, with
    `tensors.tsv`, `metadata.tsv` and `sprite.png`, which is replaced in one
    step. Start `tensorboard --logdir` with this folder, or with one above it
    if it is that of a run.

    Args:
        data: Batches of `(x, ids)` or `(x, ids, sample_weight)`, or one such
            tuple of arrays, as `RetrievalEvaluation` takes them.
        log_dir: Path of the folder to write to, created where it is missing.
        modalities: Names of the modalities to show, or None for all of the
            model.
        labels: Dict `{id: label}`, or None. Without, a label is a text of the
            same id, or else the id.
        num_examples: Positive integer, the first rows of each modality to
            show.
        thumbnail_size: Positive integer, pixels of the side of a picture.
        frequency: Positive integer, epochs from one writing to the next; the
            first and the last one are written in any case.
        batch_size: Positive integer, examples encoded at once.

    Raises:
        ImportError: If TensorBoard is not installed.
        TypeError: If an argument is of a wrong type, or the data set can be
            read only once.
        ValueError: If a number is not positive, or, before training starts, a
            modality is unknown; or if there is no room for all pictures.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(32, 12), "text": np.random.rand(32, 7)}
        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        model.compile("adam")
        projector = kx.callbacks.Projector((x, np.arange(32)), log_dir="logs")
        model.fit(x, np.arange(32), verbose=0, callbacks=[projector])
        # tensorboard --logdir logs
        ```

    Reference:
        - Smilkov et al., 2016, https://arxiv.org/abs/1611.05469
    """

    def __init__(
        self,
        data: Any,
        *,
        log_dir: str | os.PathLike,
        modalities: Sequence[str] | None = None,
        labels: Mapping | None = None,
        num_examples: int = 500,
        thumbnail_size: int = 64,
        frequency: int = 1,
        batch_size: int = 256,
    ):
        super().__init__(frequency)
        _import_projector()
        check_dataset(data)
        self.data = data
        self.log_dir = checks.path("log_dir", log_dir)
        if modalities is not None:
            modalities = checks.strings("modalities", modalities)
        self.modalities = modalities
        self.labels = checks.instance_of(
            "labels", labels, Mapping, "a dict {id: label}", optional=True
        )
        self.num_examples = checks.positive_integer(
            "num_examples", num_examples
        )
        self.thumbnail_size = checks.integer(
            "thumbnail_size", thumbnail_size, 8, 512
        )
        self.batch_size = checks.positive_integer("batch_size", batch_size)

    def on_train_begin(self, logs=None):
        """Check the modalities and create the folder."""
        for name in self.modalities or ():
            checks.one_of("modalities", name, tuple(self.model.modalities))
        files.writable_folder(self.log_dir)
        super().on_train_begin(logs)

    def write(self, epoch):
        """Write the model in training."""
        self.write_model(self.model, f"epoch {epoch + 1}")

    def write_model(self, model, name="embeddings"):
        """Write any model at any time.

        Args:
            model: `EmbeddingModel`.
            name: How the projector calls its embeddings.
        """
        names = self.modalities or tuple(model.modalities)
        embeddings, pictures, rows, texts = [], [], [], {}
        found = gather(self.data, names, self.batch_size, self.num_examples)
        for modality, (x, ids) in found.items():
            encoded = model.encode(x, batch_size=self.batch_size)
            embeddings.append(encoded[modality])
            cells = to_cells(x[modality])
            pictures += [to_thumbnail(c, self.thumbnail_size) for c in cells]
            for item, cell in zip(ids.tolist(), cells, strict=True):
                text = cell if isinstance(cell, str) else None
                rows.append((modality, item, text))
                if text is not None:
                    texts.setdefault(item, text)
        labels = texts if self.labels is None else self.labels
        table = [("label", "modality", "id")]
        for modality, item, text in rows:
            own = text if self.labels is None else None
            label = own or labels.get(item) or item
            table.append((label, modality, item))
        embeddings = np.concatenate(embeddings)
        finite = np.isfinite(embeddings).all(axis=1)
        if not finite.all():
            warnings.warn(
                "Embeddings are written where all are finite. Received: "
                f"{int((~finite).sum())} rows with NaN or infinity",
                stacklevel=2,
            )
            return
        self._write_files(embeddings, pictures, table, name)

    def _write_files(self, embeddings, pictures, table, name):
        sprite = _sprite(pictures)
        files.writable_folder(self.log_dir)
        with files.new_folder(self.log_dir / _FOLDER, replace=True) as folder:
            np.savetxt(
                folder / "tensors.tsv", embeddings, "%.7g", delimiter="\t"
            )
            lines = ["\t".join(map(_cell, row)) for row in table]
            text = "\n".join(lines) + "\n"
            (folder / "metadata.tsv").write_text(text, "utf-8")
            sprite.save(folder / "sprite.png")
        config = _import_projector().ProjectorConfig()
        embedding = config.embeddings.add()
        embedding.tensor_name = name
        embedding.tensor_shape.extend(embeddings.shape)
        embedding.tensor_path = f"{_FOLDER}/tensors.tsv"
        embedding.metadata_path = f"{_FOLDER}/metadata.tsv"
        embedding.sprite.image_path = f"{_FOLDER}/sprite.png"
        side = self.thumbnail_size
        embedding.sprite.single_image_dim.extend((side, side))
        files.write(self.log_dir / _CONFIG, str(config).encode())


def _sprite(pictures):
    """All pictures on one square sheet, row by row."""
    # Slow to import, and needed by this function alone.
    from PIL import Image

    side = len(pictures[0])
    count = math.ceil(math.sqrt(len(pictures)))
    if count * side > _LARGEST_SPRITE:
        raise ValueError(
            "`num_examples` of all modalities must fit on a sheet of "
            f"{_LARGEST_SPRITE} x {_LARGEST_SPRITE} pixels. Received: "
            f"{len(pictures)} pictures of {side} x {side}"
        )
    sheet = np.full((count * side, count * side, 3), 255, "uint8")
    for i, picture in enumerate(pictures):
        top, left = side * (i // count), side * (i % count)
        sheet[top : top + side, left : left + side] = picture
    return Image.fromarray(sheet)


def _cell(value):
    """A cell of a table whose cells are parted by tabs."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return " ".join(str(value).split()) or "-"


def _import_projector():
    try:
        from tensorboard.plugins import projector
    except ImportError as error:
        raise ImportError(
            "`Projector` needs TensorBoard. Install it with `pip install "
            "keras-xmodal[tensorboard]`."
        ) from error
    return projector
