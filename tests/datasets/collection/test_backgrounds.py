import numpy as np
import pytest

from keras_xmodal.datasets.collection import backgrounds

SIZE = 128
each_family = pytest.mark.parametrize(
    "family", backgrounds.FAMILIES, ids=lambda family: family.__name__
)


def draw(family, seed=3):
    return family(np.random.default_rng(seed), SIZE)


@each_family
def test_pictures_in_colour_that_depend_on_the_generator(family):
    picture = draw(family)
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    np.testing.assert_array_equal(picture, draw(family))
    assert np.abs(picture - draw(family, seed=4)).mean() > 0.05
    # In colour, and not the same everywhere.
    assert np.ptp(picture, axis=-1).mean() > 0.05
    assert picture.std(axis=(0, 1)).min() > 0.05


@each_family
def test_what_inverts_the_colours_can_be_seen(family):
    contrast = np.abs(1 - 2 * draw(family)).max(axis=-1)
    assert np.mean(contrast < 0.15) < 0.01
    assert contrast.mean() > 0.5


def test_dark_and_light_families():
    assert draw(backgrounds.stripes).max() < 0.45
    assert draw(backgrounds.checks).min() > 0.55
    blobs = draw(backgrounds.blobs).mean(axis=-1)
    assert 0.02 < np.mean(blobs > 0.6) < 0.5  # the rest is the dark ground


def test_gradients_of_hue_are_equally_light_and_smooth():
    picture = draw(backgrounds.gradients)
    np.testing.assert_allclose(picture.sum(axis=-1), 1.5)
    # Of three cosines a third of a turn apart.
    assert np.ptp(picture, axis=-1).min() > 0.749
    assert np.abs(np.diff(picture, axis=1)).mean() < 0.1


def test_clouds_have_independent_channels_near_their_extremes():
    picture = backgrounds.clouds(np.random.default_rng(0), 512)
    assert np.abs(1 - 2 * picture).mean() > 0.6
    correlations = np.corrcoef(picture.reshape(-1, 3).T)
    assert np.abs(correlations - np.eye(3)).max() < 0.15
