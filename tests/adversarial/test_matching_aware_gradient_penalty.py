import keras_xmodal as kx
from tests.adversarial.check_penalty import check_penalty


def test_matching_aware_gradient_penalty():
    check_penalty(
        kx.adversarial.MatchingAwareGradientPenalty,
        location="real",
        default_weight=2.0,
        by_hand=lambda s: s**3,
    )
