"""The axes of pictures and clips are fixed, whatever Keras is told."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx

NETWORKS = kx.networks
RANDOM = np.random.default_rng(0)
CASES = {
    "image_encoder": (
        lambda: NETWORKS.ImageEncoder((8, 12), filters=(4, 8)),
        (2, 8, 12, 3),
    ),
    "image_decoder": (
        lambda: NETWORKS.ImageDecoder((8, 10), filters=(4, 4)),
        (2, 5),
    ),
    "video_encoder": (
        lambda: NETWORKS.VideoEncoder(3, (8, 10), filters=(4, 4)),
        (2, 3, 8, 10, 3),
    ),
    "video_decoder": (
        lambda: NETWORKS.VideoDecoder(3, (8, 10), filters=(4, 4)),
        (2, 5),
    ),
    "speech_encoder": (lambda: NETWORKS.SpeechEncoder(20, 8), (2, 20, 8)),
    "conv_discriminator": (
        lambda: NETWORKS.ConvDiscriminator(filters=(4, 8)),
        (2, 8, 10, 3),
    ),
    "conv_discriminator_of_clips": (
        lambda: NETWORKS.ConvDiscriminator(filters=(4, 8)),
        (2, 4, 8, 10, 3),
    ),
    "conv_generator": (
        lambda: NETWORKS.ConvGenerator((8, 10, 3), filters=(4, 4)),
        (2, 5),
    ),
    "conv_translator": (lambda: NETWORKS.ConvTranslator((4, 4)), (2, 8, 10, 3)),
    "oriented_gradients": (
        lambda: kx.layers.OrientedGradients(),
        (2, 16, 16, 3),
    ),
    "image_encoder_of_means": (
        lambda: NETWORKS.ImageEncoder(
            (8, 12), filters=(4, 8), pooling="average"
        ),
        (2, 8, 12, 3),
    ),
    "image_preprocessor": (
        lambda: NETWORKS.ImagePreprocessor((8, 10)),
        (2, 9, 11, 3),
    ),
    "video_preprocessor": (
        lambda: NETWORKS.VideoPreprocessor(2, (8, 10)),
        (2, 3, 9, 11, 3),
    ),
}


@pytest.mark.parametrize(("make", "shape"), CASES.values(), ids=CASES)
def test_channels_first_changes_nothing(make, shape):
    x = RANDOM.random(shape, "float32")
    outputs = {}
    for data_format in ("channels_last", "channels_first"):
        keras.config.set_image_data_format(data_format)
        keras.utils.set_random_seed(0)
        try:
            outputs[data_format] = np.asarray(make()(x))
        finally:
            keras.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(
        outputs["channels_first"], outputs["channels_last"], atol=1e-5
    )
