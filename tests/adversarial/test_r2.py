import keras_xmodal as kx
from tests.adversarial.check_penalty import check_penalty


def test_r2():
    check_penalty(
        kx.adversarial.R2,
        location="fake",
        default_weight=1.0,
        by_hand=lambda s: 0.5 * s,
    )
