import keras_xmodal as kx
from tests.adversarial.check_penalty import check_penalty


def test_r1():
    check_penalty(
        kx.adversarial.R1,
        location="real",
        default_weight=1.0,
        by_hand=lambda s: 0.5 * s,
    )
