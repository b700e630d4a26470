import keras_xmodal as kx
from tests.adversarial.check_loss import check_adversarial


def test_wasserstein():
    check_adversarial(
        kx.adversarial.Wasserstein,
        (0.0, 0.0),
        lambda r, f: (
            f - r,
            -f,
        ),
    )
