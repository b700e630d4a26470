import numpy as np
import pytest

from keras_xmodal.datasets.collection import emoji

TRAINING_LANGUAGES = tuple(
    language
    for language in emoji.LANGUAGES
    if language != emoji.LEFT_OUT_LANGUAGE
)


def concept(name, keywords=(), **names):
    names = {language: names.get(language, name) for language in ("it", "de")}
    others = dict.fromkeys(("es", "fr", "ru", "zh"), name)
    return {"name": name, "keywords": list(keywords), "i18n": others | names}


def captions(split, languages):
    rows = emoji.rows(split, ("text",), languages)
    return {row.text.casefold() for row in rows}


def test_held_out_concepts_follow_the_code_points_not_the_order():
    hexcodes = [f"1F{i:03X}" for i in range(50)]
    held_out = {hexcodes[i] for i in emoji.held_out_concepts(hexcodes, 10)}
    turned = hexcodes[::-1]
    assert len(held_out) == 10
    assert {turned[i] for i in emoji.held_out_concepts(turned, 10)} == held_out
    assert held_out < {
        hexcodes[i] for i in emoji.held_out_concepts(hexcodes, 20)
    }


def test_unseen_keywords_have_one_owner_and_are_no_name_in_any_case():
    concepts = (
        concept("apple", ["fruit", "Red", "red", "PEAR", "apfel"], de="Apfel"),
        concept("pear", ["Fruit", "green", "Apple"]),
    )
    assert emoji.unseen_keywords(concepts) == [("Red",), ("green",)]


def test_unseen_names_are_of_one_language_only():
    concepts = (
        concept("apple", it="mela", de="Apfel"),
        concept("pear", it="Apple"),
        concept("taco"),
    )
    assert emoji.unseen_names(concepts) == [("mela",), (), ()]


def test_expand_mulaw_inverts_the_curve():
    codes = np.arange(-127, 128).astype(np.int8)
    waveform = emoji.expand_mulaw(codes)
    assert waveform.dtype == np.float32
    assert waveform[[0, 127, 254]].tolist() == [-1.0, 0.0, 1.0]
    x = np.abs(waveform.astype(np.float64))
    magnitude = np.log(1 + 255 * x) / np.log(256)
    back = np.rint(127 * np.sign(waveform) * magnitude)
    np.testing.assert_array_equal(back, codes)


def test_concepts_are_complete_and_names_unique():
    concepts = emoji.read_concepts()
    assert len(concepts) == 831
    for language in emoji.LANGUAGES:
        names = [emoji.name_of(concept, language) for concept in concepts]
        assert all(names)
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("split", "num_rows", "num_pictures"),
    [
        ("train", 681, 681),
        ("test_keyword", 960, 454),
        ("test_language", 581, 581),
        ("test_style", 681, 681),
        ("test_concept", 150, 150),
        ("test_style_concept", 150, 150),
    ],
)
def test_counts_and_order(split, num_rows, num_pictures):
    rows = emoji.rows(split, ("image", "text"), ("en",))
    pictures = emoji.rows(split, ("image",), ("en",))
    ids = [row.concept for row in rows]
    assert len(rows) == num_rows
    assert ids == sorted(ids)
    assert [row.concept for row in pictures] == sorted(set(ids))
    assert len(pictures) == num_pictures


def test_held_out_concepts_never_share_a_split_with_seen_ones():
    concepts = {
        split: {row.concept for row in emoji.rows(split, ("image",), ("en",))}
        for split in emoji.SPLITS
    }
    assert concepts["train"] == concepts["test_style"]
    assert concepts["test_concept"] == concepts["test_style_concept"]
    assert not concepts["train"] & concepts["test_concept"]
    assert len(concepts["train"] | concepts["test_concept"]) == 831
    assert concepts["test_keyword"] < concepts["train"]
    assert concepts["test_language"] < concepts["train"]


def test_captions_to_test_are_none_of_training():
    seen = captions("train", TRAINING_LANGUAGES)
    assert len(seen) > 3000
    assert not seen & captions("test_keyword", TRAINING_LANGUAGES)
    assert not seen & captions("test_language", TRAINING_LANGUAGES)
    assert not captions("train", ("en",)) & captions("test_concept", ("en",))


def test_every_language_gives_a_row():
    rows = emoji.rows("train", ("text",), ("de", "en"))
    assert [row.language for row in rows] == ["de", "en"] * 681
    assert len({row.concept for row in rows}) == 681


def test_recordings_speak_the_name():
    speech = emoji.read_speech()
    concepts = emoji.read_concepts()
    found = emoji.recordings_of(concepts, speech["labels"])
    assert len(found) == 60
    for index, recordings in found.items():
        spoken = set(speech["labels"][recordings])
        assert spoken == {concepts[index]["name"]}
        voices = list(speech["voices"][recordings])
        assert sorted(voices) == ["awb", "kal16", "rms", "slt"]
