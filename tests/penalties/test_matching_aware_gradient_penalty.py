import keras_xmodal as kx
from tests.penalties.check_penalty import check_penalty


def test_matching_aware_gradient_penalty():
    check_penalty(
        kx.penalties.MatchingAwareGradientPenalty,
        location="real",
        default_weight=2.0,
        by_hand=lambda s: s**3,
    )
