import pytest

from keras_xmodal import losses


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("info_nce", losses.InfoNCE),
        ("sigmoid_contrastive", losses.SigmoidContrastive),
        ("triplet_hard_negative", losses.TripletHardNegative),
        ("triplet_semi_hard_negative", losses.TripletSemiHardNegative),
        ("triplet_all_negatives", losses.TripletAllNegatives),
    ],
)
def test_names_stand_for_classes(name, cls):
    assert type(losses.get(name)) is cls


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("hinge", losses.Hinge),
        ("least_squares", losses.LeastSquares),
        ("minimax", losses.Minimax),
        ("non_saturating", losses.NonSaturating),
        ("relativistic", losses.Relativistic),
        ("wasserstein", losses.Wasserstein),
    ],
)
def test_names_of_adversarial_losses(name, cls):
    assert type(losses.get(name, losses.AdversarialLoss)) is cls
    with pytest.raises(ValueError, match="ContrastiveLoss"):
        losses.get(name)


def test_a_loss_stays_as_it_is():
    loss = losses.InfoNCE(symmetric=False)
    assert losses.get(loss) is loss


def test_other_losses_are_refused():
    with pytest.raises(ValueError, match="loss='mse'"):
        losses.get("mse")
    with pytest.raises(TypeError, match="of type float"):
        losses.get(0.5)
    with pytest.raises(TypeError, match="AdversarialLoss"):
        losses.get(losses.InfoNCE(), losses.AdversarialLoss)
