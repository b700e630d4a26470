import numpy as np
import pytest

from keras_xmodal.metrics import character_error_rate
from keras_xmodal.metrics.edit_distance import count_edits


def test_edits_and_characters_are_summed_over_all_texts():
    report = character_error_rate(["red apple", "pear"], ["red aple", "bear"])
    assert report == {
        "character_error_rate": 2 / 13,
        "num_edits": 2,
        "num_characters": 13,
        "num_texts": 2,
    }


@pytest.mark.parametrize(
    ("reference", "prediction", "num_edits"),
    [
        ("kitten", "sitting", 3),
        ("intention", "execution", 5),
        ("sunday", "saturday", 3),
        ("abc", "", 3),
        ("", "abc", 3),
        ("", "", 0),
        ("abc", "cab", 2),  # no exchange of neighbours
        ("aaaa", "aa", 2),
    ],
)
def test_known_distances(reference, prediction, num_edits):
    assert count_edits(reference, prediction) == num_edits
    assert count_edits(prediction, reference) == num_edits
    assert type(count_edits(reference, prediction)) is int


def test_distances_of_random_texts_equal_those_of_the_recursion():
    rng = np.random.default_rng(0)

    def recursion(a, b):
        table = np.zeros((len(a) + 1, len(b) + 1), int)
        table[:, 0] = np.arange(len(a) + 1)
        table[0] = np.arange(len(b) + 1)
        for i in range(len(a)):
            for j in range(len(b)):
                table[i + 1, j + 1] = min(
                    table[i, j + 1] + 1,
                    table[i + 1, j] + 1,
                    table[i, j] + (a[i] != b[j]),
                )
        return table[-1, -1]

    for _ in range(50):
        sizes = rng.integers(0, 12, size=2)
        a, b = ("".join(rng.choice(list("abc"), size)) for size in sizes)
        assert count_edits(a, b) == recursion(a, b)


def test_empty_texts_and_too_long_ones():
    texts = ["red", "blue"]
    report = character_error_rate(texts, texts)
    assert report["character_error_rate"] == 0.0
    report = character_error_rate(texts, ["", ""])
    assert report["character_error_rate"] == 1.0
    report = character_error_rate(["a"], ["abcd"])
    assert report["character_error_rate"] == 3.0
    # An empty reference adds edits, and no characters.
    report = character_error_rate(["", "red"], ["a", "red"])
    assert report["character_error_rate"] == 1 / 3


def test_characters_are_composed_code_points():
    report = character_error_rate(["caf\u00e9"], ["cafe\u0301"])
    assert report["num_edits"] == 0
    assert report["num_characters"] == 4
    report = character_error_rate(["café", "红苹果"], ["cafe", "红果"])
    assert report["num_edits"] == 2
    assert report["num_characters"] == 7
    # One code point, though two units of UTF-16.
    report = character_error_rate(["🍎"], ["🍐"])
    assert report["character_error_rate"] == 1.0


def test_case_and_spaces():
    report = character_error_rate(["Red  apple"], [" red apple\n"])
    assert report["num_edits"] == 2
    assert report["num_characters"] == 10


def test_arrays_and_bytes():
    references = np.array(["red", "blå".encode()], dtype=object)
    report = character_error_rate(references, np.array(["red", "bla"]))
    assert report["num_edits"] == 1


@pytest.mark.parametrize(
    ("references", "predictions", "error", "match"),
    [
        ("red", ["red"], TypeError, "`references` must be a sequence of str"),
        (["red"], "red", TypeError, "`predictions` must be a sequence of str"),
        (["red"], [3], TypeError, "`predictions` must be a sequence of str"),
        (None, ["red"], TypeError, "`references` must be a sequence of str"),
        (["red"], ["red", "blue"], ValueError, "1 references, 2 predictions"),
        ([" ", ""], ["a", "b"], ValueError, "at least one character"),
        ([], [], ValueError, "at least one character"),
    ],
)
def test_wrong_arguments(references, predictions, error, match):
    with pytest.raises(error, match=match):
        character_error_rate(references, predictions)
