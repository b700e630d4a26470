import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.datasets.load import load, read_examples

EVERY = ("en", "es", "fr")


def whole(dataset):
    return dataset.batch(len(dataset)).as_numpy_iterator().next()


def test_elements_are_english(fetched):
    dataset = read_examples("spoken_prompts", data_dir=fetched)
    assert dataset.element_spec == {
        "id": tf.TensorSpec((), tf.int64),
        "language": tf.TensorSpec((), tf.string),
        "speech": tf.TensorSpec((), tf.string),
        "speech_length": tf.TensorSpec((), tf.int64),
        "text": tf.TensorSpec((), tf.string),
    }
    assert len(dataset) == 4
    assert set(whole(dataset)["language"]) == {b"en"}
    assert len(read_examples("spoken_prompts", "test", data_dir=fetched)) == 2


def test_the_test_has_other_transcripts(fetched):
    train, test = (
        whole(
            read_examples(
                "spoken_prompts", split, languages=EVERY, data_dir=fetched
            )
        )
        for split in ("train", "test")
    )
    assert test["language"].tolist() == 2 * [b"en"] + 2 * [b"es"] + 2 * [b"fr"]
    assert len(set(test["id"])) == len(set(test["text"])) == 6
    assert not set(test["id"]) & set(train["id"])
    assert not set(test["text"]) & set(train["text"])
    assert len(train["id"]) == 14 - 6


def test_equal_words_have_an_equal_id(fetched):
    examples = whole(
        read_examples(
            "spoken_prompts", "train+test", languages=EVERY, data_dir=fetched
        )
    )
    texts = [text.decode() for text in examples["text"]]
    id_of = dict(zip(texts, examples["id"], strict=True))
    assert id_of["Goodbye!"] == id_of["Goodbye"]
    assert id_of["no"] == id_of["No."]
    assert len(set(examples["id"])) == 14 - 2


def test_speech_goes_through_the_preprocessor(fetched):
    preprocessor = kx.networks.SpeechPreprocessor(duration=0.2)
    dataset = read_examples("spoken_prompts", data_dir=fetched)
    for example in dataset:
        waveform, rate = kx.datasets.decode_wav(example["speech"])
        assert rate == 8000
        assert len(waveform) == example["speech_length"]
    batches = dataset.batch(3).map(lambda batch: preprocessor(batch["speech"]))
    for batch in batches.as_numpy_iterator():
        assert batch.shape[1:] == (20, 40)
        assert (batch[:, 1:8] > 0).any(axis=(1, 2)).all()
        assert not batch[:, 15:].any()  # the recordings are 0.1 s long


def test_one_modality_alone(fetched):
    texts = read_examples("spoken_prompts", "test", ("text",), data_dir=fetched)
    assert set(texts.element_spec) == {"id", "language", "text"}
    speech = read_examples(
        "spoken_prompts", "test", ("speech",), data_dir=fetched
    )
    expected = {"id", "language", "speech", "speech_length"}
    assert set(speech.element_spec) == expected
    np.testing.assert_array_equal(whole(speech)["id"], whole(texts)["id"])


def test_a_missing_recording_is_named(fetched, tmp_path):
    folder = tmp_path / "spoken_prompts"
    folder.mkdir()
    prompts = fetched / "spoken_prompts" / "prompts.json"
    (folder / "prompts.json").write_bytes(prompts.read_bytes())
    read_examples("spoken_prompts", "test", ("text",), data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"without \['spoken.*wav'"):
        load("spoken_prompts", "test", data_dir=tmp_path)


def test_bad_languages(fetched):
    with pytest.raises(ValueError, match=r"`languages` must be.*'it'"):
        load("spoken_prompts", languages=("it",), data_dir=fetched)
