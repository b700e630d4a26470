import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.callbacks import LatentPlot
from keras_xmodal.callbacks.latent_plot import principal_plane


def points(count=500, seed=0):
    """Deviations 3, 1 and 0.1 along rotated axes."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return 5 + rng.normal(size=(count, 3)) * [3, 1, 0.1] @ axes.T, axes


def test_principal_plane():
    z, _ = points()
    center, axes, shares = principal_plane(z)
    values, vectors = np.linalg.eigh(np.cov(z.T))  # ascending
    np.testing.assert_allclose(center, z.mean(axis=0))
    np.testing.assert_allclose(shares, values[[2, 1]] / values.sum())
    for i in range(2):
        assert abs(axes[:, i] @ vectors[:, 2 - i]) == pytest.approx(1)
        assert axes[np.abs(axes[:, i]).argmax(), i] > 0


@pytest.mark.parametrize("shape", [(9, 1), (1, 4), (1, 1)])
def test_principal_plane_of_less_than_a_plane(shape):
    z = np.random.default_rng(0).normal(size=shape)
    center, axes, shares = principal_plane(z)
    assert ((z - center) @ axes).shape == (shape[0], 2)
    assert axes.shape == (shape[1], 2)
    np.testing.assert_allclose(shares, [float(shape == (9, 1)), 0], atol=1e-9)


class Encoder:
    modalities = ("a", "b")

    def __init__(self, **latents):
        self.latents = latents

    def encode(self, x, batch_size):
        return self.latents["".join(x)]


def offsets(axes):
    return np.concatenate([c.get_offsets() for c in axes.collections])


def test_all_panels_show_the_plane_of_the_joint_posterior(tmp_path):
    z, true_axes = points()
    a, b = z + 1, 2 * z
    x = {"a": np.zeros(500), "b": np.zeros(500)}
    figure = LatentPlot(x, folder=tmp_path).draw(Encoder(ab=z, a=a, b=b))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["given all", "given a", "given b"]
    for axes, latents in zip(figure.axes, (z, a, b), strict=True):
        plane = (latents - z.mean(axis=0)) @ true_axes[:, :2]
        # The axes are right up to their signs and to what 500 points tell.
        for i in range(2):
            correlation = np.corrcoef(plane[:, i], offsets(axes)[:, i])[0, 1]
            assert abs(correlation) > 0.99
    distance = offsets(figure.axes[1]) - offsets(figure.axes[0])
    np.testing.assert_allclose(distance, np.broadcast_to(distance[0], (500, 2)))
    assert figure.axes[0].get_xlabel().startswith("axis 1 (9")


def test_fit_writes_the_files(tmp_path):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(8, 6)), "b": rng.normal(size=(8, 4))}
    model = kx.VAEModel({"a": 6, "b": 4}, 3)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    plot = LatentPlot(x, folder=tmp_path, labels=list("xyxyxyxy"))
    model.fit(x, epochs=2, verbose=0, callbacks=[plot])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "latent_0001.png",
        "latent_0002.png",
    ]
    figure = plot.draw(model)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["x", "y"]


def test_a_model_of_tensors(tmp_path):
    keras.utils.set_random_seed(0)
    model = kx.VAEModel(6, 1)
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    (axes,) = LatentPlot(x, folder=tmp_path).draw(model).axes
    z = model.encode(x)[:, 0]
    np.testing.assert_allclose(
        np.abs(offsets(axes)[:, 0]), np.abs(z - z.mean()), atol=1e-5
    )


def test_latents_that_are_not_finite(tmp_path):
    z = np.zeros((4, 3))
    plot = LatentPlot({"a": z, "b": z}, folder=tmp_path)
    with pytest.warns(UserWarning, match="NaN or infinity given b$"):
        assert plot.draw(Encoder(ab=z, a=z, b=z * np.nan)) is None


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"labels": [1, 2]}, ValueError, r"`labels` must have shape \(4,\)"),
        ({"data": {}}, ValueError, "`data` must be a dict"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be a positive"),
        ({"frequency": 0}, ValueError, "`frequency` must be a positive"),
    ],
)
def test_bad_arguments(tmp_path, change, error, match):
    arguments = {"data": {"a": np.zeros((4, 2))}, "folder": tmp_path, **change}
    with pytest.raises(error, match=match):
        LatentPlot(**arguments)


def test_an_unknown_modality_is_found_before_training(tmp_path):
    model = kx.VAEModel({"a": 6, "b": 4}, 3)
    model.compile("adam")
    x = {"a": np.zeros((8, 6)), "b": np.zeros((8, 4))}
    with pytest.raises(ValueError, match=r"of \['a', 'b'\].*keys \['c'\]"):
        model.fit(
            x, verbose=0, callbacks=[LatentPlot({"c": x["a"]}, folder=tmp_path)]
        )
