import pytest

from keras_xmodal.metrics import word_error_rate


def test_edits_and_words_are_summed_over_all_texts():
    # One word for another, and one too many.
    report = word_error_rate(["a red apple", "pear"], ["a red pear", "a pear"])
    assert report == {
        "word_error_rate": 2 / 4,
        "num_edits": 2,
        "num_words": 4,
        "num_texts": 2,
    }


@pytest.mark.parametrize(
    ("reference", "prediction", "rate"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 0.0),
        ("the cat sat on the mat", "the cat sit on mat", 2 / 6),
        ("the cat sat on the mat", "", 1.0),
        ("cat", "the cat sat", 2.0),
        ("one two three", "two three one", 2 / 3),
        ("Red apple", "red apple", 1 / 2),
        ("  red\u00a0apple\n", "red   apple", 0.0),
        ("caf\u00e9 noir", "cafe\u0301 noir", 0.0),
        ("红苹果", "红果", 1.0),  # without spaces, one word
    ],
)
def test_one_text(reference, prediction, rate):
    assert word_error_rate([reference], [prediction])["word_error_rate"] == rate


def test_words_for_an_empty_reference_are_too_many():
    report = word_error_rate(["", "a red apple"], ["pear", "a red apple"])
    assert report["word_error_rate"] == 1 / 3


@pytest.mark.parametrize(
    ("references", "predictions", "error", "match"),
    [
        ("red", ["red"], TypeError, "`references` must be a sequence of str"),
        (["red"], [], ValueError, "1 references, 0 predictions"),
        ([" ", ""], ["a", "b"], ValueError, "at least one word"),
    ],
)
def test_wrong_arguments(references, predictions, error, match):
    with pytest.raises(error, match=match):
        word_error_rate(references, predictions)
