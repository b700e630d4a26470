"""The plane of two directions, and who is near."""

import numpy as np
import pytest

from keras_xmodal.play import space_map


def test_the_plane_is_that_of_the_largest_variances():
    """Of modalities whose means are far apart, which says nothing."""
    generator = np.random.default_rng(0)
    spread = np.array([3.0, 2.0, 0.1, 0.1])
    rows = generator.normal(size=(200, 4)) * spread
    gap = np.array([0, 0, 50, 50])
    embeddings = {"image": rows, "text": rows + gap}
    points, near, share = space_map.project(embeddings)
    assert points.shape == (400, 2)
    np.testing.assert_allclose(points[:200], points[200:], atol=1e-6)
    for axis in (0, 1):
        correlation = np.corrcoef(points[:200, axis], rows[:, axis])[0, 1]
        assert correlation > 0.99
    variances = rows.var(axis=0)
    expected = variances[:2].sum() / variances.sum()
    assert share == pytest.approx(expected, rel=1e-3)
    assert [others[0] for others in near] == [*range(200, 400), *range(200)]


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (2, 2)])
def test_few_rows_and_dims(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    points, near, share = space_map.project({"image": rows})
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()
    assert 0 <= share <= 1 + 1e-9
    assert all(len(others) == min(4, shape[0] - 1) for others in near)


def test_many_rows_are_thinned_evenly():
    rows = space_map.some_rows(30_000)
    assert len(rows) == space_map.MAX_POINTS
    assert rows[0] == 0
    assert rows[-1] == 29_999
    assert set(np.diff(rows)) <= {20, 21}
    np.testing.assert_array_equal(space_map.some_rows(3), [0, 1, 2])
