import numpy as np

from keras_xmodal.adversarial import streams
from keras_xmodal.ops.noise import Noise, fold_in


def test_no_two_uses_share_a_stream():
    used = [streams.EVALUATION, streams.GENERATOR]
    for update in range(5):
        used += [streams.discriminator(update), streams.interpolation(update)]
    used += list(map(streams.augmentation, used))
    assert len(set(used)) == len(used)
    pairs = [
        streams.translation(modality, role)
        for role in ("generator", "discriminator")
        for modality in range(2)
    ]
    assert pairs == [0, 1, 2, 3]


def test_latents_of_a_row_are_those_of_seed_step_stream_and_row():
    noise = Noise(5, 7).stream(streams.discriminator(1)).rows(6, first_row=2)
    seeds = fold_in(fold_in(fold_in(5, 7), 5), np.arange(2, 8))
    np.testing.assert_array_equal(noise.seed, seeds)
