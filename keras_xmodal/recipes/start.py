"""The closed-form start of a recipe: what is tried, and what is best."""

import dataclasses
import json
from typing import Any

import numpy as np

from keras_xmodal import files, progress
from keras_xmodal.media.image import decode_image
from keras_xmodal.media.video import read_video
from keras_xmodal.media.wav import decode_wav
from keras_xmodal.models.embedding.ridge import Ridge
from keras_xmodal.networks import ImagePreprocessor
from keras_xmodal.recipes import towers as make
from keras_xmodal.recipes.pairs import Pairs
from keras_xmodal.recipes.plan import Plan
from keras_xmodal.recipes.retrieval import score, to_unit

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
COPIES = 6
SMALL, LARGE = 32, 64  # pixels of pictures and frames
LONGEST = 20.0  # seconds of a recording
MAX_COPIES = 24_000  # rows that a regression is solved for
FEATURES = {
    "image": ("gradients", "pixels"),
    "video": ("gradients", "pixels"),
    "speech": ("gradients", "spectra"),
    "numbers": ("standardized", "random layer"),
    "text": ("words", "n-grams"),
}
AUGMENTATIONS = {
    "image": make.IMAGE_AUGMENTATIONS,
    "speech": make.SPEECH_AUGMENTATIONS,
}
_ANCHORS = ("text", "numbers", "image", "speech", "video")
_ENGLISH = 0.5  # share of the items from which on English vectors help
_SCALE = 0.02  # root mean square of weights that an optimizer can move
_BATCH = 64
_CHOICES = "choices.json"


class Start:
    """Towers, their features of all rows, and projections in closed form.

    The first text modality is the anchor: its features are the space into
    which a ridge regression maps all others.
    """

    def __init__(
        self, train: Pairs, validation: Pairs, options: Any, plan: Plan
    ):
        self._options, self._plan = options, plan
        self.anchor = next(
            name
            for kind in _ANCHORS
            for name in train.x
            if train.kinds[name] == kind
        )
        self._describe(train, validation)
        self._sizes = self._choose_sizes(train)
        self.train, self.validation = (
            self.shrink(train),
            self.shrink(validation),
        )
        self.asked = {n: self.validation.distinct(n) for n in train.x}
        self.towers: dict[str, make.Tower] = {}
        self.cached: dict[str, np.ndarray] = {}
        self.unseen: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.projections: dict[str, list[np.ndarray]] = {}
        self.choices = dict(options.choices or self._read_choices())
        self._plain: dict[str, make.Tower] = {}
        self._start_anchor()
        for name in train.x:
            if name != self.anchor:
                self._start_other(name)
        self._write_choices()

    # Data.

    def _describe(self, train, validation):
        for name, kind in train.kinds.items():
            there = int(train.there[name].sum())
            what = f"{there} of kind {kind}"
            if kind == "text":
                texts = train.x[name][train.there[name]]
                what = f"{len(np.unique(texts.astype(str)))} different texts"
            self._plan.add(name, what, "by its content")
        if self._options.stops_early:
            self._plan.add(
                "validation",
                f"{validation.num_items} items",
                f"{train.num_items} are learned from",
            )

    def _choose_sizes(self, train):
        options, sizes = self._options, {}
        for name, kind in train.kinds.items():
            values = train.x[name][train.there[name]]
            if kind in ("image", "video"):
                side = _median_side(values)
                sizes[name] = options.image_size or (
                    SMALL if side <= (SMALL + LARGE) / 2 else LARGE
                )
                self._plan.add(
                    f"size of {name}",
                    f"{sizes[name]} x {sizes[name]} pixels",
                    "as asked"
                    if options.image_size
                    else f"the shorter sides have {side:g} pixels (median)",
                )
            elif kind == "speech":
                seconds, rate = _recordings(values)
                duration = options.duration or min(LONGEST, max(0.2, seconds))
                sizes[name] = (
                    round(duration, 2),
                    16000 if rate >= 16000 else 8000,
                )
                self._plan.add(
                    f"length of {name}",
                    f"{sizes[name][0]} s at {sizes[name][1]} Hz",
                    f"the longest recording has {seconds:.1f} s",
                )
        return sizes

    def shrink(self, pairs: Pairs) -> Pairs:
        """Pictures decoded once, to the size of the towers; items joined."""
        x = dict(pairs.x)
        for name, kind in pairs.kinds.items():
            if kind != "image":
                continue
            size = self._sizes[name]
            read = ImagePreprocessor((size, size))
            values = np.zeros((len(pairs), size, size, 3), "uint8")
            rows = np.flatnonzero(pairs.there[name])
            for i in range(0, len(rows), _BATCH):
                part = rows[i : i + _BATCH]
                pixels = np.asarray(read(x[name][part]))
                values[part] = np.rint(pixels * 255)
            x[name] = values
        return dataclasses.replace(pairs, x=x).joined()

    def preprocess(self, name: str, values: np.ndarray, training: bool = False):
        """What the encoder of a modality takes."""
        tower = self.towers[name]
        if tower.preprocessor is None:
            return np.asarray(values, "float32")
        return np.concatenate(
            [
                self._preprocessed(name, tower, part, training)
                for part in _parts(values)
            ]
        )

    def _preprocessed(self, name, tower, values, training):
        if self.train.kinds[name] == "text":
            values = values.astype(str)
        further = {"training": True} if training and tower.augments else {}
        return np.asarray(tower.preprocessor(values, **further))

    def features(self, name: str, values: np.ndarray) -> np.ndarray:
        """What the projection of a modality takes."""
        return self._features(name, self.towers[name], values)

    def _features(self, name, tower, values, training=False):
        if tower.preprocessor is None:
            return np.asarray(tower.features(np.asarray(values, "float32")))
        return np.concatenate(
            [
                tower.features(self._preprocessed(name, tower, part, training))
                for part in _parts(values)
            ]
        )

    def plain(self, name: str, values: np.ndarray) -> np.ndarray:
        """Raw data as vectors: pixels, spectra or standardised numbers."""
        kind = self.train.kinds[name]
        if kind == "numbers":
            known = self.train.x[name][self.train.there[name]]
            scale = np.maximum(known.std(axis=0), 1e-6)
            return (np.asarray(values, "float32") - known.mean(axis=0)) / scale
        if name not in self._plain:
            self._plain[name] = self._tower(name, FEATURES[kind][1], None)
        return self._features(name, self._plain[name], values)

    # The anchor.

    def _start_anchor(self):
        name, train = self.anchor, self.train
        kind, there = train.kinds[name], train.there[name]
        tower = self._anchor_tower(name, kind)
        values = train.x[name][there]
        if kind == "text":
            features = self._features(name, tower, values.ravel())
            features = features.reshape(*values.shape, -1)
        else:
            features = self._features(name, tower, values)[:, None]
        self.towers[name] = tower
        self.cached[name] = _spread(features, there)
        values, ids = self.asked[name]
        unseen = self._features(name, tower, values)
        self.unseen[name] = unseen, ids
        self.projections[name] = kernel, bias = self._anchor_projection(
            features
        )
        self.embedding_dim = len(bias)
        mean = to_unit(features @ kernel + bias).mean(axis=1)
        self.targets = _spread(to_unit(mean), there)
        self._anchors = to_unit(unseen @ kernel + bias), ids

    def _anchor_tower(self, name, kind):
        if kind == "numbers":
            self._plan.add(
                f"tower of {name}",
                "standardized",
                "near numbers become near vectors without training",
            )
            return self._tower(name, "standardized", None)
        if kind != "text":
            return self._tower(name, FEATURES[kind][0], None)
        english = make.share_of_english(
            self.train.x[name][self.train.there[name]]
        )
        with_words = english >= _ENGLISH
        self._plan.add(
            f"tower of {name}",
            "character n-grams and English word vectors"
            if with_words
            else "character n-grams",
            f"{english:.0%} of the items have a text whose words are in the "
            "English word vectors",
        )
        return self._tower(name, "words" if with_words else "n-grams", None)

    def _anchor_projection(self, features):
        """The identity, or the principal components of wide features."""
        size = features.shape[-1]
        if self.train.kinds[self.anchor] in ("text", "numbers"):
            return [np.eye(size, dtype="float32"), np.zeros(size, "float32")]
        flat = features.reshape(-1, size)
        mean = flat.mean(axis=0)
        components = np.linalg.svd(flat - mean, full_matrices=False)[2]
        kernel = components[: min(256, len(components))].T
        return [kernel, -mean @ kernel]

    # The others.

    def _start_other(self, name):
        self._check_meets(name)
        kind = self.train.kinds[name]
        chosen = self._options.augmentation
        known = self.choices.get(name)
        if known is not None:
            attempts = [tuple(known)]
        else:
            attempts = [(f, "none", None) for f in FEATURES[kind]]
        best: dict[str, Any] = {"score": -1.0}
        bar = progress.bar(
            desc=f"start of {name}", disable=not self._options.verbose, unit=""
        )
        for features, augmentation, penalty in attempts:
            best = self._attempt(name, features, augmentation, penalty, best)
            bar.update()
        if known is None:
            further = [a for a in AUGMENTATIONS.get(kind, {}) if a != "none"]
            if name in chosen:
                further = ["as given"]
                best["score"] = -1.0
            for augmentation in further:
                features = best["features"]
                best = self._attempt(name, features, augmentation, None, best)
                bar.update()
        bar.close()
        self._keep(name, best)

    def _check_meets(self, name):
        """An item at least of training and of validation has both."""
        for pairs in (self.train, self.validation):
            common = np.intersect1d(
                pairs.ids[pairs.there[name]],
                pairs.ids[pairs.there[self.anchor]],
            )
            both = pairs.there[name] & pairs.there[self.anchor]
            if not len(common) or (pairs is self.train and not both.any()):
                raise ValueError(
                    f"Some examples must have both {self.anchor!r} and "
                    f"{name!r}, in training and validation. Received: none"
                )

    def _attempt(self, name, features, augmentation, penalty, best):
        """The better of two: what was best before, or this."""
        train = self.train
        tower = self._tower(name, features, augmentation)
        both = train.there[name] & train.there[self.anchor]
        rows = np.flatnonzero(train.there[name])
        known = both[rows]
        values = train.x[name][rows]
        copies = [self._features(name, tower, values)]
        if tower.augments:
            count = max(0, min(COPIES, MAX_COPIES // len(rows) - 1))
            tower.restart(self._options.seed)
            copies += [
                self._features(name, tower, values, training=True)
                for _ in range(count)
            ]
        some = np.flatnonzero(known)
        some = some[:: -(-len(some) * len(copies) // MAX_COPIES)]
        weight = np.ones((len(copies), len(some)))
        weight[0] = 2.0  # the data as it is
        ridge = Ridge(
            np.concatenate([copy[some] for copy in copies]),
            np.tile(self.targets[rows[some]], (len(copies), 1)),
            weight.ravel(),
        )
        values, ids = self.asked[name]
        unseen = self._features(name, tower, values)
        for each in PENALTIES if penalty is None else (penalty,):
            kernel, bias = ridge.solve(each)
            embedded = {
                name: (to_unit(unseen @ kernel + bias), ids),
                self.anchor: self._anchors,
            }
            value = score(embedded, [(name, self.anchor)])
            if value > best["score"]:
                best = {
                    "score": value,
                    "features": features,
                    "augmentation": augmentation,
                    "penalty": each,
                    "weights": [kernel, bias],
                    "tower": tower,
                    "copies": copies,
                    "rows": rows,
                    "unseen": (unseen, ids),
                }
        return best

    def _keep(self, name, best):
        kernel, bias = best["weights"]
        scale = _SCALE / max(float(np.sqrt(np.mean(kernel**2))), 1e-9)
        self.projections[name] = [kernel * scale, bias * scale]
        self.towers[name] = best["tower"]
        copies = np.stack(best["copies"], axis=1)  # (rows, copies, features)
        self.cached[name] = _spread(copies, self.train.there[name])
        self.unseen[name] = best["unseen"]
        choice = best["features"], best["augmentation"], best["penalty"]
        self.choices[name] = list(choice)
        self._plan.add(
            f"tower of {name}",
            f"{choice[0]}, in closed form",
            f"the best start on the validation items, MRR {best['score']:.3f}"
            if self._options.choices is None
            else "the best start on a tenth of the items",
        )
        if best["tower"].augments or self.train.kinds[name] in AUGMENTATIONS:
            self._plan.add(
                f"augmentation of {name}",
                str(choice[1]),
                "as given"
                if name in self._options.augmentation
                else "by the validation items",
            )

    def _tower(self, name, features, augmentation):
        kind, options = self.train.kinds[name], self._options
        seed = options.seed
        there = self.train.there[name]
        if kind == "text":
            captions = self.train.x[name][there]
            _, first = np.unique(self.train.ids[there], return_index=True)
            captions = captions[np.sort(first)].astype(str)
            return make.text_tower(captions, features == "words")
        if kind == "numbers":
            values = self.train.x[name][there]
            return make.numbers_tower(values, features, seed)
        if augmentation == "as given":
            layer = options.augmentation[name]
        else:
            amounts = AUGMENTATIONS.get(kind, {}).get(augmentation)
            layer = make.make_augmentation(kind, amounts, seed)
        if kind == "speech":
            return make.speech_tower(*self._sizes[name], layer, features, seed)
        if kind == "video":
            return make.video_tower(
                options.num_frames, self._sizes[name], features
            )
        return make.image_tower(self._sizes[name], layer, features)

    # What a training that goes on need not choose again.

    def _read_choices(self):
        backup = self._options.backup
        if backup is None or not (backup / _CHOICES).is_file():
            return {}
        return json.loads((backup / _CHOICES).read_text())

    def _write_choices(self):
        backup = self._options.backup
        if backup is not None:
            backup.mkdir(parents=True, exist_ok=True)
            content = json.dumps(self.choices).encode()
            files.write(backup / _CHOICES, content)


def _parts(values):
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


def _spread(values, there):
    """Values of the rows that are there, and zeros for the others."""
    rows = np.zeros((len(there), *values.shape[1:]), "float32")
    rows[there] = values
    return rows


def _median_side(values):
    """Pixels of the shorter side of some pictures."""
    some = values[np.linspace(0, len(values) - 1, 16).astype(int)]
    return float(np.median([min(_shape(content)[-3:-1]) for content in some]))


def _shape(content):
    """Height, width and channels of a picture or the frames of a clip."""
    if not isinstance(content, bytes):
        return np.shape(content)
    return (
        read_video(content).shape
        if content[:3] == b"GIF"
        else decode_image(content, 3).shape
    )


def _recordings(values):
    """Seconds of the longest recording, and the lowest sampling rate."""
    seconds, rates = [], []
    for value in values:
        if isinstance(value, bytes):
            waveform, rate = decode_wav(value)
        else:
            waveform, rate = value, 8000
        seconds.append(len(waveform) / int(rate))
        rates.append(int(rate))
    return max(seconds), min(rates)
