import pytest

from keras_xmodal import objectives


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("jmvae", objectives.JMVAE),
        ("mmvae", objectives.MMVAE),
        ("mmvae_plus", objectives.MMVAEPlus),
        ("mopoe", objectives.MoPoE),
        ("mvae", objectives.MVAE),
        ("mvtcae", objectives.MVTCAE),
        ("telbo", objectives.TELBO),
    ],
)
def test_names(name, cls):
    assert type(objectives.get(name)) is cls


def test_an_objective_is_itself():
    objective = objectives.MVAE(beta=2.0)
    assert objectives.get(objective) is objective


def test_what_is_refused():
    with pytest.raises(ValueError, match="Received: objective='elbo'"):
        objectives.get("elbo")
    with pytest.raises(TypeError, match="Received: objective=3 of type int"):
        objectives.get(3)
