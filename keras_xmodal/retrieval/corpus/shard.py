"""The rows of a shard, while it is made."""

import numpy as np

from keras_xmodal.retrieval.corpus.chunk import Digest


class Shard:
    """Embeddings of the rows of a shard, batch by batch.

    Args:
        first: Integer, the place of its first row.
        modalities: Names of what may be there.
        dim: Integer, the size of an embedding.
    """

    def __init__(self, first, modalities, dim):
        self.first, self.num_rows = first, 0
        self.errors: list[dict] = []
        self.digest = Digest()
        self._dim = dim
        self._parts: dict = {name: [] for name in modalities}

    def add(self, rows, found, errors):
        """Take the embeddings of more rows, without those that have errors.

        Args:
            rows: `Chunk`.
            found: Dict by modality of positions in it, and their embeddings.
            errors: Dict from places to what is wrong.
        """
        sound = np.ones(len(rows.ids), bool)
        for place in sorted(errors):
            position = place - rows.first
            sound[position] = False
            item, number = rows.ids[position], rows.numbers[position]
            item = item if isinstance(item, str) else int(item)
            error = {"row": int(number), "id": item, "error": errors[place]}
            self.errors.append(error)
        for name, (positions, values) in found.items():
            if values is not None:
                kept = sound[positions]
                ids = rows.ids[positions[kept]]
                self._parts[name].append((ids, values[kept]))
        self.num_rows += len(sound)

    def embeddings(self):
        """Dict by modality of ids `(rows,)` and embeddings `(rows, dim)`."""
        none = np.zeros(0, object), np.zeros((0, self._dim), "float32")
        return {
            name: tuple(
                map(np.concatenate, zip(*(parts or [none]), strict=True))
            )
            for name, parts in self._parts.items()
        }
