"""Recordings in an alphabet of tones, so that new words can be read."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.recipes import reader as reader_module
from keras_xmodal.recipes.reader import Reader

RATE = 8000
TONES = dict(zip("abcdef", (300, 550, 900, 1400, 2100, 3000), strict=True))


def say(word, random):
    """A tone a letter, with a pause behind each."""
    parts = []
    for letter in word:
        length = int(RATE * random.uniform(0.13, 0.17))
        phase = 2 * np.pi * TONES[letter] * np.arange(length) / RATE
        parts += [0.5 * np.sin(phase), np.zeros(RATE // 20)]
    sound = np.concatenate(parts)
    return sound + random.normal(0, 0.01, len(sound))


def spoken(count, seed=0):
    """Waveforms of one length, words of two to four letters, and ids."""
    random = np.random.default_rng(seed)
    words = set()
    while len(words) < count:
        words.add("".join(random.choice(list(TONES), random.integers(2, 5))))
    words = sorted(words)
    sounds = np.zeros((count, RATE), "float32")
    for row, word in zip(sounds, words, strict=True):
        sound = say(word, random)
        row[: len(sound)] = sound
    return {"speech": sounds, "text": np.array(words)}, np.arange(count)


def make_reader():
    x, _ = spoken(30)
    preprocessor = kx.networks.SpeechPreprocessor(duration=1.0)
    return Reader(x["speech"], x["text"], preprocessor, seed=0)


class Killed(keras.callbacks.Callback):
    """Stop as a kill does."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_it_goes_on_exactly_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "EPOCHS", 3)
    x, _ = spoken(4, seed=1)

    def heard(reader):
        assert reader.fit(tmp_path / "backup") == 3
        tower = reader.towers()["speech"]
        return np.asarray(tower.encoder(tower.preprocessor(x["speech"])))

    killed = make_reader()
    with pytest.raises(KeyboardInterrupt):
        killed.fit(tmp_path / "killed", (Killed(),))
    expected = heard(make_reader())
    (tmp_path / "backup").rename(tmp_path / "whole")
    (tmp_path / "killed").rename(tmp_path / "backup")
    np.testing.assert_array_equal(heard(make_reader()), expected)
    # One that has ended is not gone on with.
    np.testing.assert_array_equal(heard(make_reader()), expected)


def test_what_is_cut_or_too_short_to_say_its_text_is_left_out():
    x, _ = spoken(6)
    texts = x["text"].astype("U60")
    texts[0] = "abc" * 20
    sounds = x["speech"].copy()
    sounds[1] = np.random.default_rng(0).normal(0, 0.1, RATE)
    preprocessor = kx.networks.SpeechPreprocessor(duration=1.0)
    reader = Reader(sounds, texts, preprocessor, seed=0)
    whole = Reader(x["speech"][2:], x["text"][2:], preprocessor, seed=0)
    assert reader.minutes == pytest.approx(whole.minutes)
    assert 0 < reader.minutes < 4 / 60


def test_few_recordings_are_not_read():
    x, ids = spoken(12)
    recipe = kx.recipes.embedding((x, ids), 0.25, verbose=0)
    (choice,) = [c for c in recipe.plan if c.what.startswith("network that")]
    assert choice.choice == "none"
    assert "0.1 minutes" in choice.why


def test_where_nothing_can_be_read_it_cannot_be_asked_for():
    x = {"speech": spoken(8)[0]["speech"], "numbers": np.eye(8)}
    with pytest.raises(ValueError, match=r"`reader` must be.*no recordings"):
        kx.recipes.embedding((x, np.arange(8)), 0.25, reader=True, verbose=0)


@pytest.mark.large
def test_it_finds_words_that_training_never_had(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "EPOCHS", 40)
    x, ids = spoken(120)
    is_test = np.arange(120) % 5 == 0
    test = {name: values[is_test] for name, values in x.items()}, ids[is_test]
    train = {n: values[~is_test] for n, values in x.items()}, ids[~is_test]
    recipe = kx.recipes.embedding(train, 0.2, reader=True, verbose=0)
    towers = {c.what: c.choice for c in recipe.plan}
    assert towers["tower of speech"].startswith("reader")
    recipe.fit(epochs=1)
    report = recipe.evaluate(test)
    for row in report.values():
        assert row["R@1"] > 0.8
        assert row["R@1"] > row["baseline_R@1"] + 0.2
    recipe.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name, values in test[0].items():
        np.testing.assert_allclose(
            loaded.encode(values, name),
            recipe.model.encode(values, name),
            atol=1e-6,
        )
