"""A pretrained tower, run once over the data, alone or beside own features."""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from keras_xmodal import progress
from keras_xmodal.networks.image.side_by_side import SideBySide
from keras_xmodal.recipes.pretrained import Pretrained, fit_length
from keras_xmodal.recipes.towers import Tower

_BATCH = 32
_OWN_WEIGHT = 0.5  # of own features' cosine of texts; the others' counts 1


class FrozenTower:
    """A pretrained tower and its features, which it computes once.

    `train` and `asked` are its features of the rows of training and of
    validation: of texts, vectors of length 1; of others, of mean square 1.

    Args:
        pretrained: `Pretrained`.
        kind: Kind of the modality.
        train: Raw data, a value a row; of texts `(rows, texts)`.
        asked: The same of the validation, of texts `(rows,)`.
        verbose: Whether to show a progress bar.
    """

    def __init__(
        self,
        pretrained: Pretrained,
        kind: str,
        train: np.ndarray,
        asked: np.ndarray,
        verbose: bool = False,
    ):
        self._is_text = kind == "text"
        texts, places = train, None
        if self._is_text:
            train = train.astype(str)
            texts, places = np.unique(train, return_inverse=True)
            asked = asked.astype(str)
            fit_length(pretrained, texts)
        self.name, self.space = pretrained.name, pretrained.space
        self._preprocessor = pretrained.preprocessor
        self._encoder = self._build(pretrained.encoder, texts[:1])
        bar = progress.bar(
            total=len(texts) + len(asked),
            desc=self.name,
            disable=not verbose,
        )
        x, y = self._run(texts, bar), self._run(asked, bar)
        bar.close()
        if places is not None:
            x = x[places.reshape(train.shape)]
        self._post = layers.UnitNormalization()
        if not self._is_text:
            size = float(np.sqrt((x**2).sum(axis=-1).mean()))
            self._post = layers.Rescaling(1 / max(size, 1e-9))
        self.train = _apply(self._post, x)
        self.asked = _apply(self._post, y)
        self.mean = self.train.reshape(-1, x.shape[-1]).mean(axis=0)

    def _build(self, encoder, sample):
        x = self._preprocess(sample)
        inputs = keras.Input(x.shape[1:], dtype=x.dtype.name)
        outputs = encoder(inputs)
        if len(getattr(outputs, "shape", ())) != 2:
            raise ValueError(
                "`towers` must have encoders that return one tensor of shape "
                f"(batch, dim). Received: {encoder.name!r}, which returns "
                f"{outputs}"
            )
        return keras.Model(inputs, outputs, name="pretrained")

    def _preprocess(self, values):
        if self._preprocessor is None:
            return np.asarray(values, "float32")
        return np.asarray(self._preprocessor(values))

    def _run(self, values, bar):
        parts = []
        for start in range(0, len(values), _BATCH):
            x = self._preprocess(values[start : start + _BATCH])
            parts.append(self._encoder.predict_on_batch(x))
            bar.update(len(x))
        return np.concatenate(parts).astype("float32")

    @property
    def has_room(self) -> bool:
        """Whether own features fit beside it: of texts, and of pictures."""
        shape = self._encoder.input_shape
        return len(shape) == 2 if self._is_text else shape[3:] == (3,)

    def alone(self) -> Tower:
        """The tower as it is."""
        outputs = self._post(self._encoder.outputs[0])
        model = keras.Model(self._encoder.inputs[0], outputs)
        return Tower(self._preprocessor, model)

    def join(self, own: np.ndarray) -> "Joined":
        """What puts own features of the training beside those of the tower.

        Args:
            own: Array `(rows, dim)`, of texts `(rows, texts, dim)`.
        """
        if self._is_text:
            size = float(np.sqrt((own**2).sum(axis=-1).mean()))
            ours = [layers.Rescaling(_OWN_WEIGHT**0.5 / max(size, 1e-9))]
            ones = np.ones_like(self.mean)
            theirs = [
                layers.Normalization(mean=self.mean, variance=ones),
                layers.UnitNormalization(),
            ]
        else:
            ours, theirs = [_standard(own)], [_standard(self.train)]
        return Joined(ours, theirs, self._tower_beside)

    def _tower_beside(self, own, joined):
        if self._is_text:
            preprocessor, inputs, parts = self._two_tokenizers(own)
        else:
            preprocessor = SideBySide([own.preprocessor, self._preprocessor])
            shapes = [
                own.features.input_shape[1:],
                self._encoder.input_shape[1:],
            ]
            inputs = keras.Input(
                (
                    sum(height for height, _, _ in shapes),
                    max(width for _, width, _ in shapes),
                    3,
                )
            )
            parts = SideBySide.split(inputs, shapes)
        ours = own.features(parts[0])
        theirs = self._post(self._encoder(parts[1]))
        return Tower(preprocessor, keras.Model(inputs, joined(ours, theirs)))

    def _two_tokenizers(self, own):
        models = own.features, self._encoder
        dtypes = [model.inputs[0].dtype for model in models]
        dtype = "int32" if "float32" not in dtypes else "float32"
        strings = keras.Input((), dtype="string", name="texts")
        tokens = [
            ops.cast(layer(strings), dtype)
            for layer in (own.preprocessor, self._preprocessor)
        ]
        preprocessor = keras.Model(strings, ops.concatenate(tokens, axis=1))
        inputs = keras.Input(preprocessor.output_shape[1:], dtype=dtype)
        size = tokens[0].shape[1]
        parts = inputs[:, :size], inputs[:, size:]
        parts = [
            ops.cast(part, kind)
            for part, kind in zip(parts, dtypes, strict=True)
        ]
        return preprocessor, inputs, parts


class Joined:
    """Own features and a tower's side by side, each of one weight."""

    def __init__(self, ours: list, theirs: list, build: Callable):
        self._ours, self._theirs, self._build = ours, theirs, build

    def __call__(self, ours, theirs):
        """Features of both, of arrays or in a graph."""
        for layer in self._ours:
            ours = _apply(layer, ours)
        for layer in self._theirs:
            theirs = _apply(layer, theirs)
        if isinstance(ours, np.ndarray):
            return np.concatenate([ours, theirs], axis=-1)
        return layers.Concatenate()([ours, theirs])

    def tower(self, own: Tower) -> Tower:
        """Both in one tower."""
        return self._build(own, self)


def _apply(layer, x):
    if not isinstance(x, np.ndarray):
        return layer(x)
    flat = np.asarray(layer(x.reshape(-1, x.shape[-1])))
    return flat.reshape(x.shape)


def _standard(x):
    """Center, and bring to one mean square."""
    mean = x.mean(axis=0)
    square = float(((x - mean) ** 2).sum(axis=1).mean())
    variance = np.full_like(mean, max(square, 1e-12))
    return layers.Normalization(mean=mean, variance=variance)
