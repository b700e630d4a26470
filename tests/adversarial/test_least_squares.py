import keras_xmodal as kx
from tests.adversarial.check_loss import check_adversarial


def test_least_squares():
    check_adversarial(
        kx.adversarial.LeastSquares,
        (0.5, 0.5),
        lambda r, f: (
            (r - 1) ** 2 / 2 + f**2 / 2,
            (f - 1) ** 2 / 2,
        ),
    )
