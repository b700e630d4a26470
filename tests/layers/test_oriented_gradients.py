import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers.oriented_gradients import OrientedGradients
from tests.helpers import assert_close, check_layer


@pytest.fixture
def images():
    return np.random.default_rng(0).random((2, 16, 12, 3)).astype("float32")


def test_layer(images, tmp_path):
    layer = check_layer(
        OrientedGradients,
        {
            "num_orientations": 6,
            "cell_size": 2,
            "sharpness": 0.5,
            "fill_value": 0.0,
        },
        tf.constant(images),
        (2, 8, 6, 18),
        tmp_path,
    )
    assert not layer.weights
    expected = layer(images)
    jitted = tf.function(layer, jit_compile=True)
    assert_close(jitted(tf.constant(images)), expected, atol=1e-4)


def test_a_plain_picture_has_no_gradients():
    for layer, value in (
        (OrientedGradients(), 1.0),
        (OrientedGradients(fill_value=0.3), 0.3),
    ):
        outputs = layer(np.full((1, 16, 16, 3), value, "float32"))
        assert_close(outputs, np.zeros((1, 4, 4, 24), "float32"), atol=1e-6)


def test_values_against_a_hand_computed_edge():
    # From dark to bright between two columns, constant along the rows. In
    # both columns the Sobel response to the right is 4 / 8 of the height of
    # the step; it is nothing upwards and downwards, and negative to the left.
    image = np.zeros((1, 8, 8, 3), "float32")
    image[:, :, 4:] = 0.6
    layer = OrientedGradients(4, cell_size=1, sharpness=0.0, fill_value=0.0)
    outputs = layer(image).numpy()[0, 3, :, :4]
    # Cells cover two columns and two rows and begin at their own place.
    right = np.float32([0, 0, 0.15, 0.3, 0.15, 0])
    expected = np.sqrt(right + 1e-4) - 1e-2
    assert_close(outputs[:6, 0], expected, atol=1e-6)
    assert_close(outputs[:6, 1:], np.zeros((6, 3), "float32"), atol=1e-6)
    # Grey has no other colours.
    others = layer(image).numpy()[0, 3, :, 4:]
    assert_close(others, np.zeros((8, 8), "float32"), atol=1e-6)


@pytest.mark.parametrize(("turns", "orientation"), [(0, 0), (1, 6), (2, 4)])
def test_direction_of_an_edge(turns, orientation):
    image = np.zeros((32, 32, 3), "float32")
    image[:, 16:] = 1.0  # brighter to the right
    image = np.rot90(image, turns)[None]
    outputs = OrientedGradients(8, cell_size=4)(image).numpy()
    inner = outputs[0, 2:-2, 2:-2, :8].sum(axis=(0, 1))
    assert inner.argmax() == orientation


def test_sharpness_leaves_the_strongest_directions():
    image = np.zeros((1, 32, 32, 3), "float32")
    image[:, :, 16:] = 1.0
    counts = []
    for sharpness in (0.0, 0.9):
        layer = OrientedGradients(8, 4, sharpness=sharpness)
        inner = layer(image).numpy()[0, 3:5, 3:5, :8].sum(axis=(0, 1))
        counts.append((inner > 1e-3).sum())
    assert counts == [3, 1]


def test_colours_are_told_apart():
    red, green = (np.ones((1, 32, 32, 3), "float32") * 0.5 for _ in range(2))
    red[:, :, 16:, 0], green[:, :, 16:, 1] = 1.0, 1.0
    layer = OrientedGradients(8, 4)
    a, b = (
        layer(x).numpy()[0, 3:5, 3:5].sum(axis=(0, 1)) for x in (red, green)
    )
    assert_close(a[:8], b[:8], atol=1e-5)  # lightness
    assert a[8] > 0.1 > b[8]  # more red to the right
    assert b[12] > 0.1 > a[12]  # more green to the right, that is less red


def test_shape_of_sizes_that_do_not_divide():
    layer = OrientedGradients(2, cell_size=4)
    assert layer(np.zeros((1, 9, 5, 3), "float32")).shape == (1, 3, 2, 6)
    assert layer.compute_output_shape((None, 9, None, 3)) == (None, 3, None, 6)
    spec = keras.KerasTensor((None, 9, 5, 3))
    assert layer(spec).shape == (None, 3, 2, 6)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"num_orientations": 1}, "`num_orientations` must be"),
        ({"cell_size": 0}, "`cell_size` must be"),
        ({"sharpness": 1.0}, "`sharpness` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        OrientedGradients(**kwargs)


@pytest.mark.parametrize("shape", [(16, 16, 3), (1, 16, 16, 1)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match="`images` must have shape"):
        OrientedGradients()(np.zeros(shape, "float32"))


def test_integers_are_no_floats():
    with pytest.raises(TypeError, match=r"`images` must be floats.*uint8"):
        OrientedGradients()(np.zeros((1, 8, 8, 3), "uint8"))
