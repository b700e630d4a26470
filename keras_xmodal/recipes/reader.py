"""A network that learns to write what it hears, and the two towers of it."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_xmodal.layers import BigramCounts, CTCBigramCounts, SpecAugment
from keras_xmodal.networks import (
    SpeechEncoder,
    SpeechPreprocessor,
    TextPreprocessor,
)
from keras_xmodal.recipes.pretrained import Pretrained
from keras_xmodal.recipes.training import make_optimizer, train

NAME = "reader"
EPOCHS, MAX_STEPS = 120, 6000
LEARNING_RATE = 2e-3
MAX_TOKENS = 64  # characters; pairs of them are counted
_BATCH = 16
_MAX_TEXTS = 6000
_PART = 64  # recordings that are made into spectrograms at a time
_FASTEST, _SLOWEST = 0.85, 1.18  # length after a change of speed
_FRAMES_A_STEP = 4


class Reader:
    """A network from spectrograms to characters, trained by CTC.

    It learns from recordings that are joined in random order, at random
    speeds, as long as there is room: so there is little padding, and no two
    epochs are alike.

    Args:
        recordings: Array of WAV files or waveforms.
        texts: Array of strings, what each says.
        preprocessor: `SpeechPreprocessor`.
        seed: Integer.

    It leaves out what is cut, or too short to say its text.

    Reference:
        - Graves et al., 2006, https://doi.org/10.1145/1143844.1143891 (CTC)
        - Ko et al., 2015, https://doi.org/10.21437/Interspeech.2015-711
          (speed perturbation)
    """

    def __init__(
        self,
        recordings: np.ndarray,
        texts: np.ndarray,
        preprocessor: SpeechPreprocessor,
        seed: int,
    ):
        self._preprocessor, self._seed = preprocessor, seed
        self._num_frames = preprocessor.num_frames
        self._characters = TextPreprocessor(
            MAX_TOKENS,
            split="character",
            sequence_length=-(-self._num_frames // _FRAMES_A_STEP),
            end_token=True,
            name="characters",
        )
        self._characters.adapt(texts)
        self._read(recordings, texts)

    def _read(self, recordings, texts):
        """Spectrograms without padding, of those that can be learned from."""
        needed = _needed_steps(np.asarray(self._characters(texts)))
        self._sounds, self._texts = [], []
        for i in range(0, len(recordings), _PART):
            part = np.asarray(self._preprocessor(recordings[i : i + _PART]))
            for x, text, least in zip(
                part, texts[i : i + _PART], needed[i : i + _PART], strict=True
            ):
                length = int(np.flatnonzero(x.any(axis=1)).max(initial=-1)) + 1
                room = int(length * _FASTEST) // _FRAMES_A_STEP
                is_cut = length == self._num_frames
                if least <= room and not is_cut:
                    self._sounds.append(x[:length].astype("float16"))
                    self._texts.append(text)

    @property
    def minutes(self) -> float:
        """Minutes of speech that are learned from."""
        frames = sum(map(len, self._sounds))
        return frames / self._num_frames * self._preprocessor.duration / 60

    def _build(self, **options):
        preprocessor = self._preprocessor
        encoder = SpeechEncoder(
            preprocessor.num_frames,
            preprocessor.num_mel_bins,
            filters=(96, 128),
            kernel_size=7,
            return_sequences=True,
            **options,
        )
        size = self._characters.vocabulary_size()
        logits = layers.Dense(size, dtype="float32", name="logits")
        return keras.Sequential([encoder, logits], name=NAME)

    # Training.

    def fit(
        self, backup: pathlib.Path | None = None, callbacks: tuple = ()
    ) -> int:
        """Train.

        Args:
            backup: Folder of the backup of a training that can be resumed.
            callbacks: Keras callbacks.

        Returns:
            Number of epochs.
        """
        random = np.random.default_rng(self._seed)
        count = 0
        for _ in self._sentences(random, once=True):
            count += 1
        steps = max(1, count // _BATCH)
        epochs = max(1, min(EPOCHS, MAX_STEPS // steps))
        keras.utils.set_random_seed(self._seed)
        network = self._network = self._build(
            augmentation=SpecAugment(num_time_masks=4, seed=self._seed)
        )
        network.compile(
            make_optimizer(LEARNING_RATE, epochs * steps),
            loss=_ctc,
            jit_compile=False,  # XLA has no CTC
        )
        network.optimizer.build(network.trainable_variables)
        train(
            network,
            lambda epoch: self._batches(epoch, steps),
            steps,
            epochs,
            None,
            callbacks,
            backup,
        )
        return epochs

    def _batches(self, epoch, steps):
        random = np.random.default_rng((self._seed, 2, epoch))
        sentences = self._sentences(random)
        for _ in range(steps):
            size = self._num_frames, self._preprocessor.num_mel_bins
            x, texts = np.zeros((_BATCH, *size), "float32"), []
            for row in x:
                sounds, said = next(sentences)
                joined = np.concatenate(sounds)[: self._num_frames]
                row[: len(joined)] = joined
                texts.append(" ".join(said))
            yield x, np.asarray(self._characters(np.array(texts)))

    def _sentences(self, random, once=False):
        """Recordings to be joined, and their texts."""
        sounds, texts, room = [], [], 0
        while True:
            for row in random.permutation(len(self._sounds)):
                sound = _change_speed(
                    self._sounds[row],
                    random.uniform(_FASTEST, _SLOWEST),
                    self._num_frames,
                )
                if len(sound) > room:
                    if sounds:
                        yield sounds, texts
                    sounds, texts = [], []
                    frames = self._num_frames
                    room = random.choice([3 * frames // 8, frames])
                sounds.append(sound)
                texts.append(self._texts[row])
                room -= len(sound)
            if once:
                yield sounds, texts
                return

    # What it is for.

    def towers(self) -> dict[str, Pretrained]:
        """By kind: pairs of characters that it hears, and that are written."""
        network = self._build(dropout=0.0)
        for to, weight in zip(
            network.trainable_weights,
            self._network.trainable_weights,
            strict=True,
        ):
            to.assign(weight)
        heard = [network, CTCBigramCounts(), *self._weigh()]
        size = self._characters.vocabulary_size()
        written = [BigramCounts(size), *self._weigh()]
        return {
            "speech": Pretrained(
                NAME, self._preprocessor, keras.Sequential(heard), self
            ),
            "text": Pretrained(
                NAME, self._characters, keras.Sequential(written), self
            ),
        }

    def _weigh(self):
        """Pairs that are rare count more; what all texts share, nothing."""
        texts = self._texts[:: -(-len(self._texts) // _MAX_TEXTS)]
        tokens = self._characters(np.array(texts))
        size = self._characters.vocabulary_size()
        counts = np.asarray(BigramCounts(size)(tokens))
        documents = (counts > 0).sum(axis=0)
        weight = np.log((1 + len(counts)) / (1 + documents)) + 1
        zeros, ones = np.zeros_like(weight), np.ones_like(weight)
        weigh = layers.Normalization(mean=zeros, variance=weight**-2.0)
        unit = layers.UnitNormalization()
        mean = np.asarray(unit(weigh(counts))).mean(axis=0)
        return weigh, unit, layers.Normalization(mean=mean, variance=ones)


def _ctc(tokens, logits):
    """What `keras.losses.CTC` computes, seven times as fast on a CPU."""
    tokens = tf.sparse.from_dense(tf.cast(tokens, tf.int32))
    num_steps = tf.fill(tf.shape(logits)[:1], tf.shape(logits)[1])
    logits = tf.transpose(logits, (1, 0, 2))
    return tf.nn.ctc_loss(tokens, logits, None, num_steps, blank_index=0)


def _needed_steps(tokens):
    """Steps that CTC needs at least, with one for a space behind the text."""
    is_twice = (tokens[:, 1:] == tokens[:, :-1]) & (tokens[:, 1:] != 0)
    return (tokens != 0).sum(axis=1) + is_twice.sum(axis=1) + 1


def _change_speed(spectrogram, factor, most):
    """Play a spectrogram that much slower."""
    length = min(max(1, int(len(spectrogram) * factor)), most)
    return _between(spectrogram, np.linspace(0, len(spectrogram) - 1, length))


def _between(rows, places):
    """Rows at places between them, by linear interpolation."""
    before = places.astype(int)
    after = np.minimum(before + 1, len(rows) - 1)
    share = (places - before).astype("float32")[:, None]
    return rows[before] * (1 - share) + rows[after] * share
