import numpy as np
import pytest

from keras_xmodal.networks import ImageEncoder
from tests.helpers import assert_close
from tests.networks.check_network import check_network, litert_if_large


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.random((3, 16, 24, 3)).astype("float32")


def test_oriented_gradients_with_both_paths(images, tmp_path):
    encoder = check_network(
        ImageEncoder,
        {
            "image_size": (16, 24),
            "filters": (8, 12),
            "num_blocks": 1,
            "num_orientations": 4,
            "cell_size": 2,
            "linear_path": True,
            "pooling": "flatten",
            "dropout": 0.3,
            "name": "pictures",
        },
        images,
        # 8 x 12 cells of 12 directions and 5 colours, and 4 x 6 places of 12
        # channels
        (3, 8 * 12 * (12 + 5) + 4 * 6 * 12),
        tmp_path,
    )
    assert encoder.name == "pictures"


@litert_if_large
def test_pixels_with_average_pooling(images, litert, tmp_path):
    check_network(
        ImageEncoder,
        {
            "image_size": (16, 24),
            "filters": (8, 16),
            "num_orientations": 0,
            "linear_path": False,
            "pooling": "average",
            "output_dim": 5,
            "dropout": 0.1,
        },
        images,
        (3, 5),
        tmp_path,
        litert=litert,
    )


@pytest.mark.parametrize("num_orientations", [0, 4])
def test_linear_path_alone(images, num_orientations):
    encoder = ImageEncoder(
        (16, 24), filters=(), num_orientations=num_orientations
    )
    assert not encoder.weights
    size = 16 * 24 * 3 if num_orientations == 0 else 4 * 6 * (12 + 5)
    features = encoder(images).numpy()
    assert features.shape == (3, size)
    assert_close(features.mean(axis=1), np.zeros(3), atol=1e-5)


def test_dropout_in_training_only(images):
    encoder = ImageEncoder((16, 24), filters=(8,), dropout=0.5)
    assert_close(encoder(images), encoder(images, training=False), atol=0)
    assert (encoder(images, training=True).numpy() == 0).mean() > 0.4


def test_a_picture_does_not_see_the_others_of_its_batch(images):
    encoder = ImageEncoder((16, 24), filters=(8, 8), num_blocks=1, dropout=0.0)
    whole = encoder(images, training=True).numpy()
    for index in range(3):
        alone = encoder(images[index : index + 1], training=True)
        assert_close(alone, whole[index : index + 1], atol=1e-5)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"image_size": (32,)}, "`image_size` must be a pair"),
        ({"image_size": (32, 0)}, "`image_size` must be a pair"),
        ({"filters": (8, 0)}, "`filters` must be a tuple"),
        ({"filters": (), "linear_path": False}, "`filters` must not be empty"),
        ({"num_blocks": -1}, "`num_blocks` must be"),
        ({"num_orientations": 1}, "`num_orientations` must be"),
        ({"cell_size": 0}, "`cell_size` must be"),
        ({"pooling": "max"}, "`pooling` must be"),
        ({"output_dim": 0}, "`output_dim` must be"),
        ({"dropout": 1.0}, "`dropout` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ImageEncoder(**kwargs)
