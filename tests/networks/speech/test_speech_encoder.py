import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.datasets.collection import emoji
from keras_xmodal.layers import SpecAugment
from keras_xmodal.metrics import character_error_rate
from keras_xmodal.networks import (
    SpeechEncoder,
    SpeechPreprocessor,
    TextPreprocessor,
)
from tests.helpers import assert_close
from tests.networks.check_network import check_network, litert_if_large

SMALL = {
    "num_frames": 22,
    "num_mel_bins": 6,
    "filters": (8, 12),
    "kernel_size": 3,
    "hidden_dim": 16,
    "num_layers": 1,
    "num_heads": 2,
}


@pytest.fixture
def spectrograms():
    x = np.random.default_rng(0).random((3, 22, 6)).astype("float32")
    x[1, 13:] = 0.0
    return x


def test_features(spectrograms, tmp_path):
    encoder = check_network(
        SpeechEncoder,
        {
            **SMALL,
            "intermediate_dim": 24,
            "output_dim": 5,
            "dropout": 0.2,
            "name": "voices",
        },
        spectrograms,
        (3, 5),
        tmp_path,
    )
    assert encoder.name == "voices"


@litert_if_large
def test_sequences(spectrograms, litert, tmp_path):
    encoder = check_network(
        SpeechEncoder,
        {**SMALL, "return_sequences": True},
        spectrograms,
        (3, 6, 16),
        tmp_path,
        litert=litert,
    )
    states = encoder(spectrograms).numpy()
    states[1, 4:] = 0.0  # 13 frames are 7 states, then 4
    features = SpeechEncoder(**SMALL)
    features.set_weights(encoder.get_weights())
    count = np.array([6, 4, 6])[:, None]
    assert_close(features(spectrograms), states.sum(1) / count, atol=1e-5)


def test_default_size():
    encoder = SpeechEncoder()
    assert encoder.output_shape == (None, 128)
    assert encoder.count_params() < 500_000


@pytest.mark.parametrize("length", [1, 8, 13])
def test_more_padding_changes_nothing(length):
    x = np.random.default_rng(1).random((2, length, 6)).astype("float32")
    x[0, 0] = 0.0  # silence, for a start
    short = SpeechEncoder(**{**SMALL, "num_frames": 16})
    long = SpeechEncoder(**{**SMALL, "num_frames": 24})
    weights = short.get_weights()
    for index, weight in enumerate(long.get_weights()):
        if weight.shape == (6, 16):  # the positions, of which 4 are used
            weights[index] = np.pad(weights[index], [(0, 2), (0, 0)])
    long.set_weights(weights)
    features = [
        encoder(np.pad(x, [(0, 0), (0, encoder.num_frames - length), (0, 0)]))
        for encoder in (short, long)
    ]
    assert_close(features[0], features[1], atol=1e-5)


def test_silence_is_zeros_and_has_a_gradient():
    encoder = SpeechEncoder(**SMALL)
    with tf.GradientTape() as tape:
        features = encoder(np.zeros((2, 22, 6)), training=True)
        loss = tf.reduce_sum(features)
    assert (features.numpy() == 0).all()
    for gradient in tape.gradient(loss, encoder.trainable_weights):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_the_order_of_the_sounds_counts(spectrograms):
    encoder = SpeechEncoder(**SMALL)
    x = spectrograms[:1]
    difference = encoder(x).numpy() - encoder(x[:, ::-1]).numpy()
    assert np.abs(difference).max() > 1e-2


def test_a_recording_does_not_see_the_others_of_its_batch(spectrograms):
    encoder = SpeechEncoder(**SMALL, dropout=0.0)
    whole = encoder(spectrograms, training=True).numpy()
    alone = encoder(spectrograms[1:2], training=True)
    assert_close(alone, whole[1:2], atol=1e-5)


def test_augmentation_in_training_only(spectrograms, tmp_path):
    layer = SpecAugment(1, 4, 1, 10, max_time_ratio=0.5, seed=3)
    encoder = SpeechEncoder(**SMALL, augmentation=layer, dropout=0.0)
    plain = SpeechEncoder(**SMALL, dropout=0.0)
    plain.set_weights([w.value for w in encoder.weights if w.name != "step"])
    assert_close(encoder(spectrograms), plain(spectrograms), atol=0)
    first, second = (encoder(spectrograms, training=True) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    assert int(layer.step.value) == 2
    path = str(tmp_path / "encoder.keras")
    encoder.save(path)
    loaded = keras.saving.load_model(path)
    assert_close(
        loaded(spectrograms, training=True),
        encoder(spectrograms, training=True),
        atol=0,
    )


def test_what_augmentation_adds_to_padding_is_left_out():
    noise = keras.layers.GaussianNoise(1.0, seed=1)
    encoder = SpeechEncoder(**SMALL, augmentation=noise, dropout=0.0)
    silence = encoder(np.zeros((1, 22, 6)), training=True)
    assert (silence.numpy() == 0).all()


def read_words(num_words, voice):
    """The first words of one voice, as waveforms and texts."""
    speech = emoji.read_speech()
    rows = np.flatnonzero(speech["voices"] == voice)[:num_words]
    offsets, found = speech["offsets"], []
    for row in rows:
        waveform = emoji.expand_mulaw(
            speech["mulaw"][offsets[row] : offsets[row + 1]]
        )
        found.append(np.pad(waveform, (0, 4000 - len(waveform))))
    return np.stack(found), speech["labels"][rows].astype(object)


def test_ctc_is_the_same_under_jit(spectrograms):
    encoder = SpeechEncoder(**SMALL, output_dim=7, return_sequences=True)
    logits = encoder(spectrograms)
    ids = tf.constant([[2, 3, 3, 6], [4, 0, 0, 0], [2, 5, 6, 0]])
    loss = keras.losses.CTC()
    jitted = tf.function(loss, jit_compile=True)
    assert_close(jitted(ids, logits), loss(ids, logits), rtol=1e-4)


@pytest.mark.large
def test_words_become_texts_with_ctc():
    keras.utils.set_random_seed(0)
    waveforms, words = read_words(6, "slt")
    x = SpeechPreprocessor(duration=0.5, num_mel_bins=20)(waveforms)
    texts = TextPreprocessor(split="character", end_token=True)
    texts.adapt(words)
    encoder = SpeechEncoder(
        x.shape[1],
        20,
        filters=(24, 32),
        hidden_dim=32,
        num_layers=1,
        dropout=0.0,
        return_sequences=True,
    )
    # Padding, 0, is the blank.
    logits = keras.layers.Dense(texts.vocabulary_size(), dtype="float32")
    model = keras.Sequential([encoder, logits])
    model.compile(
        keras.optimizers.Adam(1e-2, global_clipnorm=1.0),
        loss=keras.losses.CTC(),
        jit_compile=False,  # compiling takes longer than training
    )
    # Each batch is all of the words: 100 steps of one epoch, which is faster
    # than 100 epochs.
    model.fit(
        np.tile(x, (100, 1, 1)),
        np.tile(texts(words), (100, 1)),
        batch_size=len(words),
        shuffle=False,
        verbose=0,
    )
    logits = model.predict(x, verbose=0)
    steps = np.full(len(x), logits.shape[1])
    heard = keras.ops.ctc_decode(logits, steps)[0][0]
    heard = texts.detokenize(keras.ops.maximum(heard, 0))
    silent = character_error_rate(words, [""] * len(words))
    assert silent["character_error_rate"] == 1.0
    report = character_error_rate(words, heard)
    assert report["character_error_rate"] < 0.3


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"num_frames": 0}, ValueError, "`num_frames` must be"),
        ({"num_mel_bins": 0}, ValueError, "`num_mel_bins` must be"),
        ({"filters": ()}, ValueError, "`filters` must be a tuple of"),
        ({"filters": (8, 0)}, ValueError, "`filters` must be"),
        ({"kernel_size": 0}, ValueError, "`kernel_size` must be"),
        ({"hidden_dim": 10}, ValueError, "`hidden_dim` must be a multiple"),
        ({"num_layers": 0}, ValueError, "`num_layers` must be"),
        ({"intermediate_dim": 0}, ValueError, "`intermediate_dim` must be"),
        ({"output_dim": 0}, ValueError, "`output_dim` must be"),
        ({"dropout": 1.0}, ValueError, "`dropout` must be"),
        ({"augmentation": "masks"}, TypeError, "`augmentation` must be"),
    ],
)
def test_wrong_arguments(kwargs, error, match):
    with pytest.raises(error, match=match):
        SpeechEncoder(**kwargs)
