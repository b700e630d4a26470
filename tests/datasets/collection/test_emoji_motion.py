import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.datasets.collection import emoji, emoji_motion
from keras_xmodal.datasets.collection.emoji_motion import MOTIONS, Row
from keras_xmodal.datasets.load import load, read_examples

LEFT, RIGHT, UP, DOWN, GROW, SHRINK, CLOCKWISE, ANTICLOCKWISE, BOUNCE = range(9)
(APPLE,) = (
    index
    for index, concept in enumerate(emoji.read_concepts())
    if concept["name"] == "red apple"
)


def draw(motion, concept=APPLE, style="noto"):
    (clip,) = emoji_motion.draw((Row(concept, motion),), style)
    return clip


def ink(clip):
    """Frames as darkness: float (8, 32, 32)."""
    return 255.0 - clip.astype(float).min(axis=-1)


def steps(clip, axis):
    """By how many pixels each frame is moved, round the canvas."""
    profile = ink(clip).sum(axis=3 - axis)  # along the axis: (8, 32)
    moves = []
    for before, after in itertools.pairwise(profile):
        fits = [abs(np.roll(before, k) - after).sum() for k in range(-16, 16)]
        moves.append(int(np.argmin(fits)) - 16)
    return moves


def whole(dataset):
    return dataset.batch(len(dataset)).as_numpy_iterator().next()


def test_elements_and_cardinality():
    sizes = {
        split: len(read_examples("emoji_motion", split))
        for split in emoji_motion.SPLITS
    }
    assert sizes == {
        "train": 681 * 7,
        "test": 681 * 2,
        "test_concept": 150 * 9,
        "test_style": 681 * 7,
    }
    assert read_examples("emoji_motion").element_spec == {
        "id": tf.TensorSpec((), tf.int64),
        "concept": tf.TensorSpec((), tf.int64),
        "motion": tf.TensorSpec((), tf.int64),
        "style": tf.TensorSpec((), tf.string),
        "video": tf.TensorSpec((8, 32, 32, 3), tf.uint8),
        "text": tf.TensorSpec((), tf.string),
    }


def test_splits_ask_one_question_each():
    rows = {s: set(emoji_motion.rows(s)) for s in emoji_motion.SPLITS}
    concepts = {s: {row.concept for row in rows[s]} for s in rows}
    assert not rows["train"] & rows["test"]
    assert concepts["train"] == concepts["test"]
    assert not concepts["train"] & concepts["test_concept"]
    assert rows["test_style"] == rows["train"]
    hexcodes = [concept["hex"] for concept in emoji.read_concepts()]
    assert concepts["test_concept"] == emoji.held_out_concepts(hexcodes)
    # Every motion is asked for about equally often, and trained.
    for split in ("train", "test"):
        counts = np.bincount([row.motion for row in rows[split]], minlength=9)
        assert counts.min() > 0.8 * counts.mean()
    for code in hexcodes:
        first, second = sorted(emoji_motion.unseen_motions(code))
        assert first // 2 != second // 2 or second == BOUNCE  # no opposites


def test_examples_are_what_they_say():
    examples = whole(read_examples("emoji_motion", "test_concept").take(18))
    concepts = emoji.read_concepts()
    np.testing.assert_array_equal(examples["motion"], np.tile(range(9), 2))
    np.testing.assert_array_equal(
        examples["id"], examples["concept"] * 9 + examples["motion"]
    )
    assert set(examples["style"]) == {b"noto"}
    for index, text in enumerate(examples["text"]):
        motion = MOTIONS[examples["motion"][index]]
        name = concepts[examples["concept"][index]]["name"]
        assert name in text.decode()
        assert text.decode().endswith((motion.singular, motion.plural))
        np.testing.assert_array_equal(
            examples["video"][index],
            draw(examples["motion"][index], examples["concept"][index]),
        )


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("red apple", "a red apple moves left"),
        ("orange book", "an orange book moves left"),
        ("euro banknote", "a euro banknote moves left"),
        ("hourglass done", "an hourglass done moves left"),
        ("grapes", "grapes move left"),
        ("woman’s clothes", "woman’s clothes move left"),
        ("octopus", "an octopus moves left"),
        ("wine glass", "a wine glass moves left"),
        ("money with wings", "a money with wings moves left"),
    ],
)
def test_captions(name, caption):
    assert emoji_motion.caption(name, MOTIONS[LEFT]) == caption


@pytest.mark.parametrize(
    ("motion", "axis", "step"),
    [(LEFT, 2, -4), (RIGHT, 2, 4), (UP, 1, -4), (DOWN, 1, 4)],
)
def test_directions(motion, axis, step):
    clip = draw(motion)
    assert steps(clip, axis) == [step] * 7
    assert steps(clip, 3 - axis) == [0] * 7


def test_growing_and_shrinking():
    for motion, sign in ((GROW, 1), (SHRINK, -1)):
        change = sign * np.diff(ink(draw(motion)).sum(axis=(1, 2)))
        assert (change > 0).sum() >= 6  # but where the loop begins again


def test_turning():
    """A quarter of a turn is what `rot90` makes, about the clip's centre."""
    for motion, turns in ((CLOCKWISE, -1), (ANTICLOCKWISE, 1)):
        clip = ink(draw(motion))
        y, x = np.indices((32, 32))
        for before, after in zip(clip[:-2], clip[2:], strict=True):
            turned = np.rot90(before, turns)
            # Where the centre of mass is taken to, compared from there.
            shifts = [
                round(((after - turned) * axis).sum() / after.sum())
                for axis in (y, x)
            ]
            error = np.abs(np.roll(turned, shifts, (0, 1)) - after).mean()
            assert error < 0.1 * np.abs(before - after).mean()


@pytest.mark.parametrize("motion", [LEFT, UP, GROW, CLOCKWISE])
def test_opposites_have_the_same_frames_the_other_way_round(motion):
    """Up to where on the canvas the loop lies, and where the clip begins."""

    def spectra(clip):
        """What stays the same when a frame is moved as a whole."""
        axes = {LEFT: (1,), UP: (2,)}.get(motion, (1, 2))
        return np.abs(np.fft.fftn(ink(clip), axes=axes))

    first = spectra(draw(motion))
    second = spectra(draw(motion + 1)[::-1])
    starts = [
        np.allclose(np.roll(second, k, axis=0), first, atol=1e-6)
        for k in range(8)
    ]
    # Turning by half changes no spectrum of two axes.
    assert sum(starts) == (2 if motion == CLOCKWISE else 1)


@pytest.mark.parametrize("motion", [LEFT, UP, GROW, CLOCKWISE])
def test_no_frame_tells_a_motion_from_its_opposite(motion):
    """The same frames, each about equally often at each time."""
    rows = [Row(c, m) for c in range(60) for m in (motion, motion + 1)]
    clips = emoji_motion.draw(tuple(rows), "noto")
    phases = []
    for clip in clips:
        profile = {
            LEFT: ink(clip).sum(axis=1),
            UP: ink(clip).sum(axis=2),
        }.get(motion, ink(clip).sum(axis=(1, 2))[:, None])
        phases.append(profile)
    first = np.array(phases)[::2, 0], np.array(phases)[1::2, 0]
    scale = np.std(np.concatenate(first), axis=0).mean()
    difference = np.abs(first[0].mean(0) - first[1].mean(0)).mean()
    assert difference < 0.5 * scale


def test_bouncing_has_only_places_of_moving_up():
    clip = ink(draw(BOUNCE)).sum(axis=2)
    places = ink(draw(UP)).sum(axis=2)
    for frame in clip:
        assert min(abs(frame - place).sum() for place in places) == 0
    assert steps(draw(BOUNCE), 2) == [0] * 7


def test_about_half_the_size_over_white():
    for motion in (LEFT, BOUNCE):
        clip = draw(motion)
        columns = (ink(clip).max(axis=(0, 1)) > 8).sum()
        rows = (ink(clip).max(axis=2) > 8).sum(axis=1)
        assert rows.max() <= 18
        assert columns <= 32
        assert (ink(clip) == 0).mean() > 0.6


def test_styles_differ_and_everything_repeats():
    a, b = draw(LEFT), draw(LEFT, style="fluent")
    assert np.abs(a.astype(float) - b).mean() > 1
    np.testing.assert_array_equal(a, draw(LEFT))


def test_modalities():
    dataset = load("emoji_motion", "test", ("text",))
    x, ids = next(iter(dataset.batch(5)))
    assert set(x) == {"text"}
    assert ids.shape == (5,)
    with pytest.raises(ValueError, match=r"`modalities`.*'video', 'text'"):
        load("emoji_motion", modalities=("image",))
    with pytest.raises(ValueError, match="`languages` must be left out"):
        load("emoji_motion", languages=("en",))
    with pytest.raises(ValueError, match=r"`split`.*'test_style_concept'"):
        load("emoji_motion", "test_style_concept")


def test_tfds_gives_the_same_examples(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    import keras_xmodal.datasets.tfds  # noqa: F401

    every = emoji_motion.rows
    monkeypatch.setattr(emoji_motion, "rows", lambda split: every(split)[:12])
    splits = tfds.load("emoji_motion", data_dir=tmp_path)
    assert set(splits) == set(emoji_motion.SPLITS)
    for split, dataset in splits.items():
        expected = read_examples("emoji_motion", split)
        assert dataset.element_spec == expected.element_spec
        ours, theirs = whole(expected), whole(dataset)
        for field, rows in ours.items():
            np.testing.assert_array_equal(rows, theirs[field])
