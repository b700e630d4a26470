import pytest

from keras_xmodal import penalties


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("gradient_penalty", penalties.GradientPenalty),
        (
            "matching_aware_gradient_penalty",
            penalties.MatchingAwareGradientPenalty,
        ),
        ("r1", penalties.R1),
        ("r2", penalties.R2),
    ],
)
def test_names_stand_for_classes(name, cls):
    assert type(penalties.get(name)) is cls


def test_a_penalty_stays_as_it_is():
    penalty = penalties.R1(3.0)
    assert penalties.get(penalty) is penalty


def test_others_are_refused():
    with pytest.raises(ValueError, match="'l2'"):
        penalties.get("l2")
    with pytest.raises(TypeError, match="of type float"):
        penalties.get(1.0)
