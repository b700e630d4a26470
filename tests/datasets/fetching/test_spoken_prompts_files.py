import collections

import pytest

from keras_xmodal.datasets.fetching import spoken_prompts_files
from tests.datasets.registry import tone


def test_transcripts_are_what_is_spoken():
    text = """; a: comment: no prompt

digits/1: one
both:  press * to   pause, # to stop
colon: introduces themselves as:
dash: dash [-]
note: IAX (note: does not say "2")
inside: Sus saludos [temporales] estan
beep: [ tono de error ]
join: <beep ascending>
silence/1: (1 second of silence)
empty:
twice: cero
twice: diez
"""
    assert spoken_prompts_files.read_transcripts(text) == {
        "": "",
        "digits/1": "one",
        "both": "press * to pause, # to stop",
        "colon": "introduces themselves as:",
        "dash": "dash",
        "note": "IAX",
        "inside": "Sus saludos [temporales] estan",
        "beep": "",
        "join": "",
        "silence/1": "",
        "empty": "",
        "twice": "cero",
    }


def test_words_ignore_case_and_punctuation():
    words = spoken_prompts_files.words
    assert words("Goodbye!") == words("goodbye") == "goodbye"
    assert words("... letters of your party's") == "letters of your party s"
    assert words("¡Adiós,  número 1!") == "adiós número 1"
    assert words("...") == ""


def prompts(*pairs):
    return [{"text": text, "language": language} for text, language in pairs]


def test_the_test_is_drawn_from_transcripts_that_occur_once():
    once = [(f"{n} {lang}", lang) for n in range(150) for lang in ("en", "fr")]
    again = [("Yes.", "en"), ("yes", "en"), ("zoo", "en"), ("zoo", "fr")]
    drawn = prompts(*once, *again)
    spoken_prompts_files.add_ids_and_splits(drawn)
    counts = collections.Counter((p["language"], p["split"]) for p in drawn)
    assert counts == {
        ("en", "test"): 100,
        ("fr", "test"): 100,
        ("en", "train"): 53,
        ("fr", "train"): 51,
    }
    assert all(p["split"] == "train" for p in drawn[-4:])
    assert len({p["id"] for p in drawn}) == 302
    # The draw depends on the transcripts alone, not on their order.
    other = prompts(*again, *once[::-1])
    spoken_prompts_files.add_ids_and_splits(other)
    assert {p["text"]: p["split"] for p in other} == {
        p["text"]: p["split"] for p in drawn
    }


def test_num_samples():
    assert spoken_prompts_files.num_samples(tone(123)) == 123
    with pytest.raises(ValueError, match="no WAV file"):
        spoken_prompts_files.num_samples(b"")
    with pytest.raises(ValueError, match="no WAV file"):
        spoken_prompts_files.num_samples(b"RIFX" + tone(9)[4:])
    content = bytearray(tone(123))
    content[24:26] = (16000).to_bytes(2, "little")
    with pytest.raises(ValueError, match="at 16000 Hz of 1 channels"):
        spoken_prompts_files.num_samples(bytes(content))
