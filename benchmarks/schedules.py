"""How the image and video cells of `directions.py` lower the learning rate."""

import keras

BATCH_SIZE = 64


def falling_rate(peak, examples, epochs, batch_size=BATCH_SIZE):
    """A learning rate that rises shortly and falls to 0 by a cosine."""
    num_steps = epochs * -(-examples // batch_size)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        num_steps - num_steps // 20,
        warmup_target=peak,
        warmup_steps=num_steps // 20,
    )
