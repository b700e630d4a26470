"""What the page says, without a page."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.play.answers import Answers
from keras_xmodal.play.drawing import NUM_STEPS, NUM_VARIANTS
from keras_xmodal.play.queries import read_queries, takes
from tests.play.conftest import (
    COLORS,
    NAMES,
    SHAPES,
    draw,
    make_loud_vae,
    make_vae,
)
from tests.runs import folders


@pytest.fixture(scope="module")
def answers(run):
    return Answers(run)


@pytest.fixture(scope="module")
def of_vae(run):
    """The same run with a generator of both modalities."""
    copy = kx.runs.Run(run.path, run.index, run.items, run.report, run.kinds)
    copy._generator = make_vae()
    return Answers(copy)


def shown(answer):
    """Names that an answer shows, the best first."""
    pattern = (
        r'alt="([^"]*)"|aria-label="([^"]*)"></audio>|class="text">([^<]*)'
    )
    return ["".join(found) for found in re.findall(pattern, answer)]


def pictures(answer):
    found = re.findall(r"data:image/png;base64,([^\"]*)", answer)
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        for content in found
    ]


@pytest.mark.parametrize("modality", ["automatic", "image", "speech", "text"])
def test_words_find_what_they_say(answers, modality):
    found = answers.search("green square", [], modality)
    assert shown(found)[0] == "green square"
    target = "image" if modality == "automatic" else modality
    assert f"The nearest 12 of 12 ({target}) to text" in found
    assert ("<audio" in found) == (target == "speech")


@pytest.mark.parametrize(
    ("file", "name"),
    [("red circle.png", "red circle"), ("blue bar.wav", "blue bar")],
)
def test_files_find_their_texts(answers, dropped, file, name):
    found = answers.search("", [dropped[file]])
    assert shown(found)[0] == name
    assert "(text)" in found


def test_two_queries_at_once_by_weight(answers, dropped):
    """This picture, but green: by how much of each."""
    files = [dropped["red circle.png"]]
    best = [
        shown(answers.search("green", files, "image", weight))[0]
        for weight in (0.5, 1)
    ]
    assert best == ["green circle", "red circle"]
    everything = answers.search("green", files, "image", 0)
    assert (
        everything.split("<ol")[1]
        == (answers.search("green", [], "image").split("<ol")[1])
    )


def test_captions_and_ids_are_text_and_nothing_else(run):
    wild = "<img src=x onerror=alert(1)> & {{value}} ${value}"
    items = {"text": {name: {"text": wild, "item": "1"} for name in NAMES}}
    index = run.index
    changed = kx.runs.Run(run.path, index, items, {}, run.kinds)
    found = Answers(changed).search("red", [], "text")
    assert "<img" not in found
    assert shown(found)[0].startswith(
        "&lt;img src=x onerror=alert(1)&gt; &amp;"
    )


@pytest.mark.parametrize(
    ("text", "files", "message"),
    [
        ("!?", [], "The query must hold letters or digits"),
        ("", ["notes.png"], "must be a picture .* Received: notes.png of 19"),
        ("", ["empty.png"], "at least 1 byte .* Received: empty.png of 0 by"),
        ("", ["cut.png"], "must be a whole .* Received: cut.png of 60 bytes"),
        ("", ["song.mp3"], "WAV file with samples. Received: song.mp3"),
        ("red", ["red circle.png", "blue bar.wav"], "at most 2 queries"),
        ("", ["red circle.png", "red circle.png"], "two of image"),
    ],
)
def test_what_is_no_query_is_said(answers, dropped, text, files, message):
    found = answers.search(text, [dropped[file] for file in files])
    assert found.startswith('<p class="wrong" role="alert">')
    assert re.search(message, found), found
    assert str(dropped["cut.png"]).rpartition("/")[0] not in found


def test_a_huge_file_is_not_read(answers, tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(20 * 2**20 + 1)
    found = answers.search("", [tmp_path / "huge.png"])
    assert "at most 20 MB. Received: huge.png of 20,971,521 bytes" in found


def test_words_are_not_read_as_paths(answers, dropped):
    """Or a visitor could ask for files of the machine."""
    found = answers.search(dropped["red circle.png"], [])
    assert "must hold letters or digits" in found or "to text" in found
    assert "to image" not in found


def test_nothing_asked_is_no_error(answers):
    assert "Nothing asked yet" in answers.search("  ", [])


def test_a_run_takes_what_it_knows(run, dropped):
    columns = {"color": {"columns": ["r", "g", "b"]}}
    run = kx.runs.Run(
        run.path, run.index, {}, {"modalities": columns}, {"color": "numbers"}
    )
    assert takes(run) == {"color": "3 numbers (r, g, b)"}
    queries = read_queries(run, "0.5, 1 0")
    np.testing.assert_array_equal(queries["color"], [0.5, 1, 0])
    for text in ("red", "1, 2"):
        with pytest.raises(
            ValueError, match=r"must be 3 numbers \(r, g, b\). Rec"
        ):
            read_queries(run, text)
    with pytest.raises(ValueError, match="Received: a picture"):
        read_queries(run, "", [dropped["red circle.png"]])


def test_clips_and_numbers_ask_and_are_found(tmp_path):
    table = folders.write_table(tmp_path / "data")
    modalities = ("text", "video", "color")
    path = folders.write_run(tmp_path / "run", table, *modalities)
    answers = Answers(kx.runs.Run.load(path))
    clips = answers.search("blue")
    assert "(video) to text" in clips
    assert shown(clips)[0] in ("blue", "the blue one")
    address = re.search(r'src="item/(\d)/(\d)"', clips)
    content, kind = answers.files.read(*map(int, address.groups()))
    assert kind == "image/gif"
    assert content == (tmp_path / "data" / "blue.gif").read_bytes()
    red = answers.search("1, 0, 0", [], "text")
    assert "(text) to color" in red
    assert shown(red)[0] in ("red", "the red one")
    green = answers.search("", [tmp_path / "data" / "green.gif"], "color")
    assert shown(green)[0] == "0, 1, 0"


def test_a_run_without_names_is_searched(run):
    bare = kx.runs.Run(run.path, run.index, {}, {}, run.kinds)
    found = Answers(bare).search("red bar", [], "image")
    assert shown(found)[0] == "2.png"


def test_a_seed_decides_what_is_drawn(answers, run):
    drawn = answers.draw(("red bar", []), ("", []), "image", 3)
    again = answers.draw(("red bar", []), ("", []), "image", 4)
    assert drawn == answers.draw(("red bar", []), ("", []), "image", 3)
    first, second = pictures(drawn), pictures(again)
    assert len(first) == NUM_VARIANTS
    np.testing.assert_array_equal(first[1:], second[:-1])
    assert (np.diff(first, axis=0) != 0).any(axis=(1, 2, 3)).all()
    expected = run.generator.generate({"text": np.array(["red bar"])}, seed=[3])
    np.testing.assert_allclose(first[0] / 255, expected[0], atol=0.51 / 255)
    assert "seed 3" in drawn
    assert "seed 8" in drawn


def test_a_way_leads_from_one_caption_to_another(answers, run):
    way = pictures(
        answers.draw(("red bar", []), ("blue circle", []), "image", 5)
    )
    assert len(way) == NUM_STEPS
    gan = run.generator
    z = gan.sample_latents(1, seed=5)
    for end, text in ((0, "red bar"), (-1, "blue circle")):
        expected = gan.generate({"text": np.array([text])}, z)
        np.testing.assert_allclose(way[end] / 255, expected[0], atol=0.51 / 255)
    steps = np.abs(np.diff(np.array(way, int), axis=0)).sum(axis=(1, 2, 3))
    total = np.abs(way[-1].astype(int) - way[0]).sum()
    assert total > 0
    assert steps.max() < total / 2


def test_the_largest_seed_is_drawn_from(answers):
    last = answers.draw(("red bar", []), ("", []), "image", 2**31 - 6)
    assert len(pictures(last)) == NUM_VARIANTS
    assert "seed 2147483647" in last


def test_what_cannot_be_drawn_is_said(answers, dropped):
    nothing, red = ("", []), ("red bar", [])
    picture = ("", [dropped["red circle.png"]])
    for given, end, to, seed, message in [
        (nothing, nothing, "image", 0, "must be given text"),
        (red, picture, "image", 0, "takes text. Received: image"),
        (picture, nothing, "image", 0, "takes text. Received: image"),
        (red, nothing, "speech", 0, "must be one of image. Received: speech"),
        (red, nothing, "image", None, "seed must be an integer"),
        (red, nothing, "image", -1, "seed must be an integer"),
        (red, nothing, "image", 1.5, "seed must be an integer"),
        (red, nothing, "image", float("nan"), "seed must be an integer"),
        (red, nothing, "image", 2**31 - 6 + 1, "from 0 to 2,147,483,642."),
    ]:
        found = answers.draw(given, end, to, seed)
        assert 'role="alert"' in found
        assert message in found


def test_a_missing_modality_is_filled_in(of_vae, dropped):
    """In both directions, as `translate` does; texts are written out."""
    vae = of_vae.run.generator
    assert of_vae.drawing.targets == ["image", "text"]
    red = ("", [dropped["red circle.png"]])
    written = shown(of_vae.draw(red, ("", []), "text", 2))
    image = {"image": np.stack([draw("red circle")])}
    ids = [
        vae.translate(image, "text", "sample", "mode", seed=seed)[0]
        for seed in range(2, 2 + NUM_VARIANTS)
    ]
    expected = vae.preprocessors["text"].detokenize(np.array(ids))
    assert written == [text or "(nothing)" for text in expected]
    words = {*COLORS, *SHAPES, "[UNK]", "(nothing)"}
    assert set(" ".join(written).split()) <= words
    drawn = pictures(of_vae.draw(("red bar", []), ("", []), "image", 2))
    expected = vae.translate(
        {"text": np.array(["red bar"])}, "image", "sample", seed=2
    )
    np.testing.assert_allclose(drawn[0] / 255, expected[0], atol=0.51 / 255)


def test_both_ends_of_a_way_are_needed(of_vae, dropped):
    red, picture = ("red bar", []), ("", [dropped["red circle.png"]])
    for start, received in (
        (("", []), "nothing; text"),
        (picture, "image; te"),
    ):
        found = of_vae.draw(start, red, "image", 0)
        assert f"of the same modalities. Received: {received}" in found


def test_a_vae_draws_of_nothing_and_between(of_vae):
    vae, nothing = of_vae.run.generator, ("", [])
    drawn = pictures(of_vae.draw(nothing, nothing, "image", 7))
    expected = vae.generate(1, seed=7)["image"]
    np.testing.assert_allclose(drawn[0] / 255, expected[0], atol=0.51 / 255)
    way = pictures(of_vae.draw(("red bar", []), ("blue bar", []), "image", 0))
    ends = ({"text": np.array([f"{color} bar"])} for color in ("red", "blue"))
    expected = vae.interpolate(*ends, NUM_STEPS)["image"][0]
    np.testing.assert_allclose(np.array(way) / 255, expected, atol=0.51 / 255)
    written = of_vae.draw(("red bar", []), ("blue bar", []), "text", 0)
    assert len(shown(written)) == NUM_STEPS


def test_recordings_clips_and_numbers_are_made(run):
    vae = make_loud_vae()
    kinds = {"speech": "speech", "video": "video", "color": "numbers"}
    columns = {"color": {"columns": ["r", "g", "b"]}}
    copy = kx.runs.Run(run.path, run.index, {}, {"modalities": columns}, kinds)
    copy._generator = vae
    answers, given, end = Answers(copy), ("1 0 0", []), ("", [])
    x = {"color": np.array([[1, 0, 0]], "float32")}

    def made(to):
        answer = answers.draw(given, end, to, 0)
        contents = re.findall(r"base64,([^\"]*)", answer)
        drawn = vae.translate(x, to, "sample", seed=0)[0]
        return answer, [*map(base64.b64decode, contents)], drawn

    answer, recordings, drawn = made("speech")
    assert answer.count("<audio") == len(recordings) == NUM_VARIANTS
    waveform, rate = kx.datasets.decode_wav(recordings[0])
    expected = kx.networks.GriffinLim(vae.preprocessors["speech"])(drawn[None])
    assert int(rate) == 8000
    np.testing.assert_allclose(waveform, expected[0], atol=1e-3)
    _, clips, drawn = made("video")
    np.testing.assert_allclose(
        kx.datasets.read_video(clips[0]) / 255, drawn, atol=0.51 / 255
    )
    answer, _, drawn = made("color")
    assert shown(answer)[0] == ", ".join(f"{number:.3g}" for number in drawn)


def test_the_map_shows_every_item_near_its_like(answers):
    space = answers.points
    assert [each["name"] for each in space["modalities"]] == list(answers.found)
    points = space["points"]
    assert len(points) == 3 * len(NAMES)
    assert points[0]["label"] == NAMES[0]
    assert points[0]["row"] == 0
    places = np.array([point["at"] for point in points])
    assert np.abs(places).max() == pytest.approx(1)
    np.testing.assert_allclose(places.max(0), -places.min(0), atol=1e-3)
    assert 0.3 < space["share"] < 1
    for number, point in enumerate(points):
        near = [points[other]["item"] for other in point["near"]]
        assert number not in point["near"]
        assert near[:2] == [point["item"]] * 2
