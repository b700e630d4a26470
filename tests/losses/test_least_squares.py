import keras_xmodal as kx
from tests.losses.check_adversarial import check_adversarial


def test_least_squares():
    check_adversarial(
        kx.losses.LeastSquares,
        (0.5, 0.5),
        lambda r, f: (
            (r - 1) ** 2 / 2 + f**2 / 2,
            (f - 1) ** 2 / 2,
        ),
    )
