"""Five families of procedural background, as pure functions.

Each draws a picture, float (size, size, 3) in [0, 1], from a random generator.
Hardly a pixel is middle grey in all its channels, so that what inverts the
colours of a background can be seen on it.
"""

import numpy as np
import scipy


def stripes(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw bent stripes in dark colours."""
    down, right = np.mgrid[:size, :size]
    bends = 14 * _smooth_noise(generator, size, sigma=28)
    stripe = _soft_sign(np.sin((right + 0.6 * down + bends) * 2 * np.pi / 9))
    return _mix(
        _colours(generator, size, 0.0, 0.15),
        _colours(generator, size, 0.15, 0.42),
        stripe,
    )


def checks(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw bent checks in light colours."""
    down, right = np.mgrid[:size, :size]
    bends = 10 * _smooth_noise(generator, size, sigma=28)
    wave = np.sin((right + bends) * np.pi / 6)
    wave = wave * np.sin((down - bends) * np.pi / 6)
    return _mix(
        _colours(generator, size, 0.85, 1.0),
        _colours(generator, size, 0.58, 0.85),
        _soft_sign(wave),
    )


def clouds(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw smooth noise, each channel by itself, mostly near its extremes."""
    channels = [
        _smooth_noise(generator, size, sigma=9)
        + 0.4 * _smooth_noise(generator, size, sigma=2)
        for _ in range(3)
    ]
    return 0.5 + 0.5 * np.tanh(1.5 * np.stack(channels, axis=-1))


def blobs(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw discs in light colours over a dark ground."""
    down, right = np.mgrid[:size, :size]
    picture = _colours(generator, size, 0.0, 0.3)
    for _ in range(size * size // 350):
        row, column = generator.integers(size, size=2)
        radius = generator.uniform(2, 6)
        box = (
            slice(max(row - 6, 0), row + 7),
            slice(max(column - 6, 0), column + 7),
        )
        distance = np.hypot(down[box] - row, right[box] - column)
        disc = np.clip(radius - distance + 0.5, 0, 1)
        colour = generator.uniform(0.7, 1.0, size=3)
        picture[box] = _mix(picture[box], colour, disc)
    return picture


def gradients(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw gradients of hue that run through the whole wheel of colours."""
    turns = _smooth_noise(generator, size, sigma=18)
    phase = 2 * np.pi * (turns[..., None] + np.arange(3) / 3)
    return 0.5 + 0.5 * np.cos(phase)


FAMILIES = (stripes, checks, clouds, blobs, gradients)


def _smooth_noise(generator, size, sigma):
    """Draw noise of mean 0 and deviation 1, smooth over sigma pixels."""
    noise = generator.standard_normal((size, size))
    noise = scipy.ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return (noise - noise.mean()) / noise.std()


def _colours(generator, size, low, high):
    """Draw a colour that changes slowly: (size, size, 3) in [low, high]."""
    channels = [_smooth_noise(generator, size, sigma=20) for _ in range(3)]
    return low + (high - low) * scipy.special.ndtr(np.stack(channels, axis=-1))


def _soft_sign(wave):
    """Turn a wave around 0 into a mask in [0, 1] with soft edges."""
    return 0.5 + 0.5 * np.tanh(5 * wave)


def _mix(first, second, mask):
    """Lay a second colour over a first where a mask (height, width) says."""
    return first + mask[..., None] * (second - first)
