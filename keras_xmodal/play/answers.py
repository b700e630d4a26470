"""What the page says to what it is asked."""

import functools
import threading
import time

import tensorflow as tf

from keras_xmodal.play import space_map
from keras_xmodal.play.cards import (
    cards,
    error,
    hint,
    hit_card,
    made_card,
)
from keras_xmodal.play.drawing import MAX_SEED, Drawing
from keras_xmodal.play.item_files import ItemFiles
from keras_xmodal.play.queries import read_queries

NUM_HITS = 12
MAX_QUERIES = 2
AUTOMATIC = "automatic"
_CLEAR = (ValueError, TypeError, OSError, ImportError)


def said(answer):
    """Decorate an answer: one at a time, and what goes wrong is said."""

    @functools.wraps(answer)
    def answer_or_error(self, *arguments):
        try:
            with self.lock:
                return answer(self, *arguments)
        except _CLEAR as wrong:
            return error(wrong)
        except tf.errors.InvalidArgumentError as wrong:
            return error(wrong.message)

    return answer_or_error


class Answers:
    """Searches, drawings and the map of a run, as HTML and numbers.

    Args:
        run: `Run`.
    """

    def __init__(self, run):
        self.run = run
        self.drawing = None if run.generator is None else Drawing(run)
        self.files = ItemFiles(run)
        self.lock = threading.Lock()
        self._rows = {}  # of ids, by modality
        for name in self.found:
            ids, _ = run.index.rows(name)
            rows = reversed([*enumerate(ids)])
            self._rows[name] = {str(item): row for row, item in rows}

    @property
    def found(self):
        """Names of the modalities that can be searched."""
        return self.run.index.modalities

    @said
    def search(self, text, files=(), modality=AUTOMATIC, weight=0.5):
        """Find the nearest items.

        Args:
            text: Words, or numbers.
            files: Paths of pictures, recordings and clips.
            modality: Name of the modality to search, or `AUTOMATIC`.
            weight: Float from 0 to 1, of the second of two queries.

        Returns:
            HTML: cards, a hint or an error.
        """
        queries = read_queries(self.run, text, files)
        if not queries:
            return hint("Nothing asked yet.")
        if len(queries) > MAX_QUERIES:
            raise ValueError(
                f"A search takes at most {MAX_QUERIES} queries at once. "
                f"Received: {len(queries)}"
            )
        weights = None
        if len(queries) == 2:
            weights = dict(zip(queries, [1 - weight, weight], strict=True))
        start = time.perf_counter()
        hits = self.run.find(
            queries,
            k=NUM_HITS,
            modality=None if modality == AUTOMATIC else modality,
            weights=weights,
        )
        seconds = time.perf_counter() - start
        modality = hits[0]["modality"]
        items = [
            hit_card(
                self.run.kinds[modality],
                hit,
                self._address(modality, hit["id"]),
                self._numbers(modality, hit["id"]),
            )
            for hit in hits
        ]
        status = (
            f"The nearest {len(hits)} of {self.run.index.sizes[modality]:,} "
            f"({modality}) to {' and '.join(queries)}, {1000 * seconds:.0f} ms"
        )
        return f'<p class="status" role="status">{status}</p>' + cards(
            items, f"Nearest from {modality}"
        )

    def _address(self, modality, item):
        place = self.found.index(modality)
        return f"item/{place}/{self._rows[modality][item]}"

    def _numbers(self, modality, item):
        known = self.run.items.get(modality, {}).get(item, {})
        return ", ".join(f"{n:.3g}" for n in known.get("numbers", ()))

    @said
    def draw(self, given, end, to, seed):
        """Make variants of a query, or go from one query to another.

        Args:
            given: Pair of words and paths of files, of the query.
            end: The same, of the end of the way, or of nothing.
            to: Name of the modality to make.
            seed: Number from which noise is drawn.

        Returns:
            HTML: cards or an error.
        """
        is_integer = isinstance(seed, (int, float)) and seed % 1 == 0
        if not is_integer or not 0 <= seed <= MAX_SEED:
            raise ValueError(
                f"The seed must be an integer from 0 to {MAX_SEED:,}. "
                f"Received: {seed}"
            )
        start = read_queries(self.run, *given)
        end = read_queries(self.run, *end)
        if end:
            made = self.drawing.way(start, end, to, int(seed))
            notes = [f"{100 * share:.0f} %" for share, _ in made]
            label = f"{to} on the way"
        else:
            made = self.drawing.variants(start, to, int(seed))
            notes = [f"seed {seed}" for seed, _ in made]
            label = f"{to}, drawn"
        kind, rate = self.run.kinds[to], None
        if kind == "speech":
            rate = self.run.generator.preprocessors[to].sampling_rate
        items = [
            made_card(kind, value, note, rate)
            for (_, value), note in zip(made, notes, strict=True)
        ]
        return cards(items, label)

    @functools.cached_property
    def points(self):
        """The map of the space.

        Dict of `share`, of the variance that the plane holds; of `modalities`,
        a list of dicts of `name`, `kind` and `total`, the number of rows; and
        of `points`, a list of dicts of `modality`, a position in that list,
        `at`, two numbers from -1 to 1, `row`, `label`, `item`, and `near`, the
        positions of the nearest points.
        """
        chosen, embeddings = {}, {}
        for name in self.found:
            _, rows = self.run.index.rows(name)
            chosen[name] = space_map.some_rows(len(rows))
            embeddings[name] = rows[chosen[name]]
        plane, near, share = space_map.project(embeddings)
        numbered = [
            (position, name, row)
            for position, name in enumerate(self.found)
            for row in chosen[name].tolist()
        ]
        return {
            "share": share,
            "modalities": [
                {
                    "name": name,
                    "kind": self.run.kinds[name],
                    "total": self.run.index.sizes[name],
                }
                for name in self.found
            ],
            "points": [
                {
                    "modality": position,
                    "at": at,
                    "row": row,
                    "near": others,
                    **self._label(name, row),
                }
                for (position, name, row), at, others in zip(
                    numbered, plane.round(4).tolist(), near, strict=True
                )
            ],
        }

    def _label(self, modality, row):
        ids, _ = self.run.index.rows(modality)
        item = str(ids[row])
        known = self.run.items.get(modality, {}).get(item, {})
        texts = known.get("captions") or [item]
        label = known.get("text") or texts[0]
        return {"label": label, "item": str(known.get("item", item))}
