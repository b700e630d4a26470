"""Resolve a likelihood from the forms that a model takes."""

from keras_xmodal.likelihoods.bernoulli import Bernoulli
from keras_xmodal.likelihoods.calibrated_normal import CalibratedNormal
from keras_xmodal.likelihoods.continuous_bernoulli import ContinuousBernoulli
from keras_xmodal.likelihoods.discretized_logistic import DiscretizedLogistic
from keras_xmodal.likelihoods.heteroscedastic_normal import (
    HeteroscedasticNormal,
)
from keras_xmodal.likelihoods.laplace import Laplace
from keras_xmodal.likelihoods.likelihood import Likelihood
from keras_xmodal.likelihoods.normal import Normal

_SHORTHANDS = {
    "bernoulli": Bernoulli,
    "calibrated_normal": CalibratedNormal,
    "continuous_bernoulli": ContinuousBernoulli,
    "discretized_logistic": DiscretizedLogistic,
    "heteroscedastic_normal": HeteroscedasticNormal,
    "laplace": Laplace,
    "normal": Normal,
}


def get(identifier: "str | Likelihood") -> Likelihood:
    """Resolve a likelihood from its name, as Keras does.

    Args:
        identifier: A `Likelihood`, or the snake-case name of one, which
            stands for the likelihood with its default arguments.
            `Categorical` and `TokenSequence` have no name, for they need the
            number of ids.

    Returns:
        The likelihood.

    Raises:
        ValueError: If the name is unknown.
        TypeError: If it is neither a name nor a `Likelihood`.

    Example:
        ```python
        import keras_xmodal as kx

        likelihood = kx.likelihoods.get("laplace")
        print(likelihood.scale)
        ```
    """
    if isinstance(identifier, str):
        if identifier not in _SHORTHANDS:
            raise ValueError(
                f"`likelihood` must be one of {sorted(_SHORTHANDS)} or a "
                "`Likelihood`, such as `Categorical(num_classes=10)`. "
                f"Received: likelihood={identifier!r}"
            )
        return _SHORTHANDS[identifier]()
    if not isinstance(identifier, Likelihood):
        raise TypeError(
            "`likelihood` must be the name of a likelihood or a `Likelihood`. "
            f"Received: likelihood={identifier!r} of type "
            f"{type(identifier).__name__}"
        )
    return identifier
