import json

import numpy as np
from PIL import Image

from keras_xmodal.datasets.collection import emoji_large
from keras_xmodal.datasets.fetching import emoji_large_files
from tests.datasets.registry import png


def test_languages_are_those_of_load():
    languages = ("en", *emoji_large_files.LANGUAGES)
    assert languages == emoji_large.LANGUAGES


def test_code_points():
    assert emoji_large_files.code_points("2764-fe0f-200d-1f525") == (
        "2764-200D-1F525"
    )


def test_concepts_are_no_components(fetched):
    path = fetched / "emoji_large" / "concepts.json"
    concepts = json.loads(path.read_text(encoding="utf-8"))
    assert [concept["hex"] for concept in concepts] == [
        *("1F34E", "1F34F", "1F436", "2764", "1F697", "1F1EE-1F1F9", "1F415")
    ]
    # emojibase's names and keywords come first.
    assert concepts[0]["name"] == "red apple"
    assert concepts[0]["i18n"]["de"] == "red apple de"
    assert concepts[0]["keywords"] == ["apple", "fruit", "red"]
    # Flags, and what a style does not draw, are in no split.
    splits = [concept["split"] for concept in concepts]
    assert splits[5:] == [None, None]
    assert sorted(splits[:5]) == 3 * ["seen"] + 2 * ["unseen"]


def test_the_draw_depends_on_code_points_alone():
    concepts = [
        {"hex": f"1F{n}", "name": f"name {n}", "group": "Objects"}
        for n in range(400, 900)
    ]
    concepts.append({"hex": "1F000", "name": "Name 400", "group": "Objects"})
    concepts.append({"hex": "1F001", "name": "Italy", "group": "Flags"})
    concepts.append({"hex": "1F002", "name": "rare", "group": "Objects"})
    complete = {concept["hex"] for concept in concepts} - {"1F002"}
    splits = emoji_large_files.draw_splits(concepts, complete)
    assert set(splits) == {f"1F{n}" for n in range(400, 900)}
    assert list(splits.values()).count("unseen") == 300
    ordered = sorted(concepts[:500], key=lambda concept: concept["hex"][::-1])
    assert emoji_large_files.draw_splits(ordered, complete) == splits


def test_pictures_are_read_by_code_and_laid_over_white():
    files = {
        "img/1f34e-fe0f.png": png(32, (0, 0, 9)),
        "img/1f34e.png": png(32, (0, 0, 5)),
        "img/1f34f.png": png(32, (0, 0, 7)),
        "img/more/1f350.png": png(32, (0, 0, 1)),
        "other/1f350.png": png(32, (0, 0, 1)),
    }
    pictures = emoji_large_files.read_pictures(
        files, "img", 16, {"1F34E", "1F350"}
    )
    assert set(pictures) == {"1F34E"}
    assert pictures["1F34E"].shape == (16, 16, 3)
    # Of two files the first by name.
    np.testing.assert_array_equal(pictures["1F34E"][8, 8], [0, 0, 9])
    np.testing.assert_array_equal(pictures["1F34E"][0, 0], [255] * 3)


def test_over_white_keeps_the_shape():
    wide = Image.new("RGBA", (20, 10), (0, 0, 0, 255))
    picture = emoji_large_files.over_white(wide, 20)
    assert picture.shape == (20, 20, 3)
    np.testing.assert_array_equal(picture[5:15], 0)
    np.testing.assert_array_equal(picture[:5], 255)
    np.testing.assert_array_equal(picture[15:], 255)
