"""The closed-form start of a recipe: what is tried, and what is best."""

import copy
import dataclasses
import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_xmodal import files, progress
from keras_xmodal.media.image import decode_image
from keras_xmodal.media.video import read_video
from keras_xmodal.media.wav import decode_wav
from keras_xmodal.models.embedding.ridge import Ridge
from keras_xmodal.networks import ImagePreprocessor, SpeechPreprocessor
from keras_xmodal.recipes import towers as make
from keras_xmodal.recipes.frozen_tower import FrozenTower
from keras_xmodal.recipes.pairs import Pairs
from keras_xmodal.recipes.plan import Plan
from keras_xmodal.recipes.pretrained import Pretrained
from keras_xmodal.recipes.reader import NAME, Reader
from keras_xmodal.recipes.retrieval import reports, score, to_unit
from keras_xmodal.recipes.training import ProgressBar

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
BASELINE_PENALTIES = (0.1, 1.0, 10.0, 100.0)
COPIES = 6
SMALL, LARGE = 32, 64  # pixels of pictures and frames
LONGEST = 20.0  # seconds of a recording
MAX_COPIES = 24_000  # rows that a regression is solved for
_WORDS = "character n-grams and English word vectors"
_NGRAMS = "character n-grams"
FEATURES = {
    "image": ("gradients", "pixels"),
    "video": ("gradients", "pixels"),
    "speech": ("gradients", "spectra"),
    "numbers": ("standardized", "random layer"),
    "text": (_WORDS, _NGRAMS),
}
AUGMENTATIONS = {
    "image": make.IMAGE_AUGMENTATIONS,
    "speech": make.SPEECH_AUGMENTATIONS,
}
PRETRAINED, ZERO_SHOT = "pretrained", "zero-shot"
RIDGE = "ridge baseline"
_WHY_RIDGE = RIDGE, "better than features on the validation items"
BESIDE = " beside "  # of own features, followed by `PRETRAINED`
_WITH_BOTH = ("image", "text")  # kinds whose features are put side by side
_ANCHORS = ("text", "numbers", "image", "speech", "video")
# From so many on, recordings are read, too; the validation items decide.
MINUTES_TO_READ = 1.0
_ENGLISH = 0.5  # share of the items from which on English vectors help
_SCALE = 0.02  # root mean square of weights that an optimizer can move
_BATCH = 64
_CHOICES = "choices.json"


class Start:
    """Towers, their features of all rows, and projections in closed form.

    The first text modality is the anchor: its features are the space into
    which a ridge regression maps all others. Of a pretrained tower, features
    are tried alone and beside our own; of two halves of one model, also as
    they are.
    """

    def __init__(
        self, train: Pairs, validation: Pairs, options: Any, plan: Plan
    ):
        self._options, self.plan = options, plan
        self.seed = options.seed
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
            self.shrink(validation, keep=True),
        )
        self.asked = {n: self.validation.distinct(n) for n in train.x}
        self.towers: dict[str, make.Tower] = {}
        self.cached: dict[str, np.ndarray] = {}
        self.unseen: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.projections: dict[str, list[np.ndarray]] = {}
        self.choices = dict(options.choices or self._read_choices())
        others = [name for name in train.x if name != self.anchor]
        for name in others:
            self._check_meets(name)
        towers = self._read_aloud() | dict(options.towers)
        self._frozen = {
            name: FrozenTower(
                tower,
                train.kinds[name],
                self.train.whole(name)[train.there[name]],
                self.validation.distinct(name, whole=True)[0],
                options.verbose,
            )
            for name, tower in towers.items()
        }
        self._known: dict[tuple, tuple] = {}
        self._others = others
        self._start_anchor(others)
        for name in others:
            self._start_other(name)
        self.score = self._mean_score()
        self._known.clear()
        self._write_choices()

    # Data.

    def _describe(self, train, validation):
        for name, kind in train.kinds.items():
            there = int(train.there[name].sum())
            what = f"{there} of kind {kind}"
            if kind == "text":
                texts = train.x[name][train.there[name]]
                what = f"{len(np.unique(texts.astype(str)))} different texts"
            self.plan.add(name, what, "by its content")
        if self._options.stops_early:
            self.plan.add(
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
                self.plan.add(
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
                self.plan.add(
                    f"length of {name}",
                    f"{sizes[name][0]} s at {sizes[name][1]} Hz",
                    f"the longest recording has {seconds:.1f} s",
                )
        return sizes

    def shrink(self, pairs: Pairs, keep: bool = False) -> Pairs:
        """Pictures decoded once, to the size of the towers; items joined.

        Whole ones are kept for pretrained towers, which have sizes of their
        own, and where the model is measured: it does not round what it resizes.
        """
        x, raw = dict(pairs.x), {}
        for name, kind in pairs.kinds.items():
            if kind != "image":
                continue
            if keep or name in self._options.towers:
                raw[name] = _files(x[name])
            size = self._sizes[name]
            read = ImagePreprocessor((size, size))
            values = np.zeros((len(pairs), size, size, 3), "uint8")
            rows = np.flatnonzero(pairs.there[name])
            for i in range(0, len(rows), _BATCH):
                part = rows[i : i + _BATCH]
                pixels = np.asarray(read(x[name][part]))
                values[part] = np.rint(pixels * 255)
            x[name] = values
        return dataclasses.replace(pairs, x=x, raw=raw).joined()

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

    def evaluate(
        self, pairs: Pairs, asked: Sequence[tuple[str, str]]
    ) -> dict[str, dict]:
        """Retrieval reports by direction, of data that the start has shrunk."""
        embedded = {}
        for name in pairs.x:
            values, ids = pairs.distinct(name)
            kernel, bias = self.projections[name]
            x = self.features(name, values) @ kernel + bias
            embedded[name] = to_unit(x), ids
        return reports(embedded, asked)

    # A network that reads recordings.

    def _read_aloud(self) -> dict[str, Pretrained]:
        """Towers of recordings and their texts, where these are read."""
        train, options, text = self.train, self._options, self.anchor
        speech = [
            name
            for name, kind in train.kinds.items()
            if kind == "speech" and name not in options.towers
        ]
        is_asked = options.reader is True
        if not speech or train.kinds[text] != "text" or not options.reader:
            if is_asked:
                raise ValueError(
                    "`reader` must be 'auto' or False where there are no "
                    "recordings with texts, or all have pretrained towers. "
                    f"Received: reader=True, {train.kinds}"
                )
            return {}
        name = speech[0]
        if options.choices is not None and not any(
            options.choices[n][0].endswith((PRETRAINED, ZERO_SHOT))
            for n in {name, text} - set(options.towers)
        ):
            return {}
        both = train.there[name] & train.there[text]
        duration, rate = self._sizes[name]
        reader = Reader(
            train.x[name][both],
            train.x[text][both, 0].astype(str),
            SpeechPreprocessor(rate, duration, make.MEL_BINS),
            options.seed,
        )
        what = f"network that reads {name}"
        why = "as asked"
        if not is_asked:
            why = f"it is tried from {MINUTES_TO_READ:g} on"
        why = f"{reader.minutes:.1f} minutes that can say their {text}; {why}"
        if reader.minutes < (1e-3 if is_asked else MINUTES_TO_READ):
            self.plan.add(what, "none", why)
            return {}
        # That of a part of the data is another.
        folder = NAME if options.stops_early else f"{NAME} of all"
        epochs = reader.fit(
            options.backup and options.backup / folder,
            (ProgressBar(NAME),) if options.verbose else (),
        )
        self.plan.add(what, f"trained by CTC, {epochs} epochs", why)
        towers = reader.towers()
        return {n: towers[train.kinds[n]] for n in (name, text)}

    # Features that are tried.

    def _candidates(self, name):
        """Names of features: our own, the best first, and pretrained ones."""
        kind = self.train.kinds[name]
        own = FEATURES[kind]
        if name == self.anchor:
            own = (self._anchor_features(name, kind),)
        if name not in self._frozen:
            return list(own)
        found = [*own, PRETRAINED]
        if kind in _WITH_BOTH and self._frozen[name].has_room:
            found.append(own[0] + BESIDE + PRETRAINED)
        return found

    def _shares_space(self, name):
        """Whether the tower is a half of the model that the anchor's is of."""
        space = getattr(self._frozen.get(name), "space", None)
        anchor = self._frozen.get(self.anchor)
        return space is not None and anchor and space is anchor.space

    def _computed(self, name, features, augmentation):
        """A tower, its features of all copies of the data, of that asked."""
        key = (name, features)
        if augmentation == "none" and key in self._known:
            return self._known[key]
        found = self._compute(name, features, augmentation)
        if augmentation == "none":
            self._known[key] = found
        return found

    def _compute(self, name, features, augmentation):
        frozen = self._frozen.get(name)
        if features in (PRETRAINED, ZERO_SHOT):
            return frozen.alone(), [frozen.train], frozen.asked
        own, _, is_joined = features.partition(BESIDE)
        if is_joined:
            join = frozen.join(self._computed(name, own, "none")[1][0])
            tower, copies, asked = self._computed(name, own, augmentation)
            copies = [join(copy, frozen.train) for copy in copies]
            return join.tower(tower), copies, join(asked, frozen.asked)
        if features == RIDGE and self.train.kinds[name] != "text":
            features = self._plain_features(name)
        train = self.train
        tower = self._tower(name, features, augmentation)
        values = train.x[name][train.there[name]]
        asked = self._features(name, tower, self.asked[name][0])
        if train.kinds[name] == "text":
            x = self._features(name, tower, values.ravel())
            return tower, [x.reshape(*values.shape, -1)], asked
        copies = [self._features(name, tower, values)]
        if tower.augments:
            count = max(0, min(COPIES, MAX_COPIES // len(values) - 1))
            tower.restart(self._options.seed)
            copies += [
                self._features(name, tower, values, training=True)
                for _ in range(count)
            ]
        return tower, copies, asked

    def _label(self, name, features):
        """Features as the plan calls them."""
        if name not in self._frozen:
            return features
        name = self._frozen[name].name
        if features == ZERO_SHOT:
            return f"{name} as it is"
        return features.replace(PRETRAINED, name)

    def _why(self, name, scores, best):
        """The reason of a choice, and what it was chosen from."""
        if self._options.choices is not None:
            return "the best start on a tenth of the items"
        why = f"the best start on the validation items, MRR {best:.3f}"
        if name in self._frozen and len(scores) > 1:
            others = (
                f"{self._label(name, features)} {score:.3f}"
                for features, score in scores.items()
            )
            why += f" of: {', '.join(others)}"
        return why

    def _mean_score(self):
        """Of the closed forms on the validation items, if these were tried."""
        best = [max(self.choices[name][-1].values()) for name in self._others]
        return float(np.mean(best))

    # The baseline.

    @property
    def is_below_baseline(self) -> bool:
        """Whether raw data is better, as far as validation items tell."""
        if not self._options.stops_early:
            return self._options.from_baseline
        return self.baseline.score > self.score

    @functools.cached_property
    def baseline(self) -> "Start":
        """Raw data to n-grams of the texts, or to other raw data, linearly."""
        ridge = copy.copy(self)
        ridge.plan, ridge.choices = Plan(), {}
        ridge.towers, ridge.cached = {}, {}
        ridge.unseen, ridge.projections = {}, {}
        ridge._set_anchor(RIDGE)
        ridge.plan.add(f"tower of {self.anchor}", *_WHY_RIDGE)
        for name in self._others:
            ridge._keep(name, ridge._best(name))
        ridge.score = ridge._mean_score()
        self._known.clear()
        return ridge

    def _plain_features(self, name):
        """Raw data as vectors: pixels, spectra or standardised numbers."""
        kind = self.train.kinds[name]
        return FEATURES[kind][0 if kind == "numbers" else 1]

    # The anchor.

    def _start_anchor(self, others):
        name = self.anchor
        if name not in self._frozen:
            self._set_anchor(self._candidates(name)[0])
            return
        if name in self.choices:
            best, *_, scores = self.choices[name]
        else:
            candidates = self._candidates(name)
            if any(map(self._shares_space, others)):
                candidates.insert(0, ZERO_SHOT)  # Of equals, it fits nothing.
            scores = {}
            for features in candidates:
                self._set_anchor(features)
                found = [self._best(other)["score"] for other in others]
                scores[features] = float(np.mean(found))
            best = max(scores, key=scores.__getitem__)
            self.choices[name] = [best, "none", None, scores]
        self._set_anchor(best)
        self.plan.add(
            f"tower of {name}",
            self._label(name, best),
            self._why(name, scores, scores[best]),
        )

    def _set_anchor(self, features_name):
        name, train = self.anchor, self.train
        there = train.there[name]
        tower, copies, unseen = self._computed(name, features_name, "none")
        features, ids = copies[0], self.asked[name][1]
        if train.kinds[name] != "text":
            features = features[:, None]
        self.towers[name] = tower
        self.cached[name] = _spread(features, there)
        self.unseen[name] = unseen, ids
        kernel, bias = self._anchor_projection(features, features_name)
        if features_name == PRETRAINED and not bias.any():  # no components
            bias = -self._frozen[name].mean
        self.projections[name] = [kernel, bias]
        self.embedding_dim = len(bias)
        mean = to_unit(features @ kernel + bias).mean(axis=1)
        if features_name == RIDGE and train.kinds[name] == "text":
            mean[:, -1] = 0.0  # What is in no item is another in each text.
        self.targets = _spread(to_unit(mean), there)
        self._anchors = to_unit(unseen @ kernel + bias), ids
        self._anchored = features_name

    def _anchor_features(self, name, kind):
        if kind == "numbers":
            self.plan.add(
                f"tower of {name}",
                "standardized",
                "near numbers become near vectors without training",
            )
            return "standardized"
        if kind != "text":
            return FEATURES[kind][0]
        english = make.share_of_english(
            self.train.x[name][self.train.there[name]]
        )
        features = _NGRAMS
        if english >= _ENGLISH:
            features = _WORDS
        self.plan.add(
            f"tower of {name}",
            features,
            f"{english:.0%} of the items have a text whose words are in the "
            "English word vectors",
        )
        return features

    def _anchor_projection(self, features, features_name):
        """The identity, or the principal components of wide features."""
        size = features.shape[-1]
        kind = self.train.kinds[self.anchor]
        if features_name == RIDGE or kind in ("text", "numbers"):
            return [np.eye(size, dtype="float32"), np.zeros(size, "float32")]
        flat = features.reshape(-1, size)
        mean = flat.mean(axis=0)
        components = np.linalg.svd(flat - mean, full_matrices=False)[2]
        kernel = components[: min(256, len(components))].T
        return [kernel, -mean @ kernel]

    # The others.

    def _start_other(self, name):
        kind = self.train.kinds[name]
        chosen = self._options.augmentation
        known = self.choices.get(name)
        if known is not None:
            *choice, scores = known
            best = {"score": -1.0, "scores": scores}
            self._keep(name, self._attempt(name, *choice, best))
            return
        bar = progress.bar(
            desc=f"start of {name}", disable=not self._options.verbose, unit=""
        )
        best = self._best(name, bar)
        further = [a for a in AUGMENTATIONS.get(kind, {}) if a != "none"]
        if name in chosen:
            further = ["as given"]
        features = best["features"]
        if features in (PRETRAINED, ZERO_SHOT):
            further = []  # It runs once.
        elif name in chosen:
            best["score"] = -1.0
        for augmentation in further:
            best = self._attempt(name, features, augmentation, None, best)
            bar.update()
        bar.close()
        self._keep(name, best)

    def _best(self, name, bar=None):
        """The best of all features, as the data is."""
        best: dict[str, Any] = {"score": -1.0, "scores": {}}
        candidates = self._candidates(name)
        if self._anchored == RIDGE:
            candidates = [self._plain_features(name)]
        if self._anchored == ZERO_SHOT and self._shares_space(name):
            candidates.insert(0, ZERO_SHOT)
        for features in candidates:
            best = self._attempt(name, features, "none", None, best)
            if bar is not None:
                bar.update()
        return best

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
        tower, copies, unseen = self._computed(name, features, augmentation)
        rows = np.flatnonzero(train.there[name])
        if train.kinds[name] == "text":
            copies = [copies[0][:, 0]]
        ids = self.asked[name][1]
        scores = best["scores"]
        for each, (kernel, bias) in self._maps(
            name, features, copies, rows, penalty
        ):
            embedded = {
                name: (to_unit(unseen @ kernel + bias), ids),
                self.anchor: self._anchors,
            }
            value = score(embedded, [(name, self.anchor)])
            scores[features] = max(value, scores.get(features, 0.0))
            if value > best["score"]:
                best = {
                    "score": value,
                    "scores": scores,
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

    def _maps(self, name, features, copies, rows, penalty):
        """Projections to try: the identity, or ridge regressions."""
        if features == ZERO_SHOT:
            size = self.embedding_dim
            identity = np.eye(size, dtype="float32")
            yield None, (identity, np.zeros(size, "float32"))
            return
        some = np.flatnonzero(self.train.there[self.anchor][rows])
        some = some[:: -(-len(some) * len(copies) // MAX_COPIES)]
        weight = np.ones((len(copies), len(some)))
        weight[0] = 2.0  # the data as it is
        ridge = Ridge(
            np.concatenate([copy[some] for copy in copies]),
            np.tile(self.targets[rows[some]], (len(copies), 1)),
            weight.ravel(),
        )
        penalties = PENALTIES
        if self._anchored == RIDGE:
            penalties = BASELINE_PENALTIES
        for each in penalties if penalty is None else (penalty,):
            yield each, ridge.solve(each)

    def _keep(self, name, best):
        kernel, bias = best["weights"]
        scale = _SCALE / max(float(np.sqrt(np.mean(kernel**2))), 1e-9)
        self.projections[name] = [kernel * scale, bias * scale]
        self.towers[name] = best["tower"]
        copies = np.stack(best["copies"], axis=1)  # (rows, copies, features)
        self.cached[name] = _spread(copies, self.train.there[name])
        self.unseen[name] = best["unseen"]
        choice = best["features"], best["augmentation"], best["penalty"]
        self.choices[name] = [*choice, best["scores"]]
        self.plan.add(
            f"tower of {name}",
            self._label(name, choice[0])
            + ("" if choice[0] == ZERO_SHOT else ", in closed form"),
            self._why(name, best["scores"], best["score"]),
        )
        if best["tower"].augments or self.train.kinds[name] in AUGMENTATIONS:
            self.plan.add(
                f"augmentation of {name}",
                str(choice[1]),
                f"the {self._frozen[name].name} runs once"
                if choice[0] in (PRETRAINED, ZERO_SHOT)
                else "as given"
                if name in self._options.augmentation
                else "by the validation items"
                if self._options.stops_early
                else "by a tenth of the items",
            )

    def _tower(self, name, features, augmentation):
        kind, options = self.train.kinds[name], self._options
        seed = options.seed
        there = self.train.there[name]
        if kind == "text":
            captions = self.train.x[name][there]
            _, first = np.unique(self.train.ids[there], return_index=True)
            captions = captions[np.sort(first)].astype(str)
            if features == RIDGE:
                return make.ngram_tower(captions)
            return make.text_tower(captions, features == _WORDS)
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


def _files(values):
    """Pictures of several sizes as files, which stand in one batch."""
    if isinstance(values[0], np.ndarray) and values.dtype == object:
        files = [tf.io.encode_png(_bytes(value)).numpy() for value in values]
        values = np.array(files, object)
    return values


def _bytes(pixels):
    """Integers from 0 to 255."""
    if pixels.dtype.kind == "f":
        pixels = np.rint(255 * np.clip(pixels, 0, 1))
    return pixels.astype("uint8")


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
