import pytest

from keras_xmodal import likelihoods


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("bernoulli", likelihoods.Bernoulli),
        ("calibrated_normal", likelihoods.CalibratedNormal),
        ("continuous_bernoulli", likelihoods.ContinuousBernoulli),
        ("discretized_logistic", likelihoods.DiscretizedLogistic),
        ("heteroscedastic_normal", likelihoods.HeteroscedasticNormal),
        ("laplace", likelihoods.Laplace),
        ("normal", likelihoods.Normal),
    ],
)
def test_names_stand_for_classes(name, cls):
    assert type(likelihoods.get(name)) is cls


def test_a_likelihood_stays_as_it_is():
    likelihood = likelihoods.Categorical(10)
    assert likelihoods.get(likelihood) is likelihood


def test_others_are_refused():
    with pytest.raises(ValueError, match="likelihood='gaussian'"):
        likelihoods.get("gaussian")
    with pytest.raises(TypeError, match="of type float"):
        likelihoods.get(0.5)
