"""Which stream of a step's `Noise` is for what in a GAN.

The numbers decide what is drawn: they never change.
"""

EVALUATION = 0
GENERATOR = 1


def discriminator(update):
    """Latents of an update of the discriminator, counted from 0."""
    return 2 + 3 * update


def interpolation(update):
    """Places between real and generated examples in that update."""
    return discriminator(update) + 1


def translation(modality, role):
    """Of a `CycleGANModel`: 0 and 1 are the generators, 2 and 3 their judges.

    Args:
        modality: 0 or 1, the place of the modality that is made.
        role: `"generator"` or `"discriminator"`.
    """
    return modality + {"generator": 0, "discriminator": 2}[role]


def augmentation(stream):
    """Augmentation of what is seen in the step of a stream."""
    return -1 - stream
