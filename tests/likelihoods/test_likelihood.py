import numpy as np
import pytest

from keras_xmodal import likelihoods

X = np.zeros((3, 4), "float32")


@pytest.mark.parametrize(
    ("x_shape", "parameters_shape"),
    [
        ((3, 4), (3, 1)),  # Would broadcast, and count one logit four times.
        ((3,), (3, 3)),
        ((3, 4), (4,)),
        ((3, 4), (1, 4)),
        ((3, 4), (4, 3, 5)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x_shape, parameters_shape):
    if x_shape == (3,):
        likelihood = likelihoods.Categorical(5)
    else:
        likelihood = likelihoods.Bernoulli()
    with pytest.raises(ValueError, match=r"must have shape .*Received"):
        likelihood.log_prob(np.zeros(x_shape), np.zeros(parameters_shape))


def test_scalar_data():
    x = np.array([0.0, 1.0, 1.0])
    found = likelihoods.Bernoulli().log_prob(x, np.zeros(3))
    np.testing.assert_allclose(found, -np.log(2) * np.ones(3), rtol=1e-6)


def test_data_that_is_not_numbers_is_refused():
    with pytest.raises(TypeError, match=r"real numbers.*dtype <U1"):
        likelihoods.Normal().check_support(np.array(["a", "b"]))


def test_mask_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"missing.shape=\(2,\)"):
        likelihoods.Normal().check_support(X, missing=[True, False])


def test_the_first_wrong_value_is_that_of_a_row_that_is_there():
    x = X.copy()
    x[0] = np.nan
    x[2, 1] = np.inf
    with pytest.raises(ValueError, match=r"1 of 12 .*x\[2, 1\]=inf"):
        likelihoods.Normal().check_support(x, [True, False, False])
