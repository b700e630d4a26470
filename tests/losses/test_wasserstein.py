import keras_xmodal as kx
from tests.losses.check_adversarial import check_adversarial


def test_wasserstein():
    check_adversarial(
        kx.losses.Wasserstein,
        (0.0, 0.0),
        lambda r, f: (
            f - r,
            -f,
        ),
    )
