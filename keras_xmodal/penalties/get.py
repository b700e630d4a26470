"""Resolve a penalty from the forms that `compile` takes."""

from keras_xmodal.penalties.gradient_penalty import GradientPenalty
from keras_xmodal.penalties.matching_aware_gradient_penalty import (
    MatchingAwareGradientPenalty,
)
from keras_xmodal.penalties.penalty import Penalty
from keras_xmodal.penalties.r1 import R1
from keras_xmodal.penalties.r2 import R2

_SHORTHANDS = {
    "gradient_penalty": GradientPenalty,
    "matching_aware_gradient_penalty": MatchingAwareGradientPenalty,
    "r1": R1,
    "r2": R2,
}


def get(identifier: "str | Penalty") -> Penalty:
    """Resolve a penalty from its name, as Keras does.

    Args:
        identifier: A `Penalty`, or the snake-case name of one, which stands
            for the penalty with its default arguments.

    Returns:
        The penalty.

    Raises:
        ValueError: If the name is unknown.
        TypeError: If it is neither a name nor a `Penalty`.

    Example:
        ```python
        import keras_xmodal as kx

        penalty = kx.penalties.get("r1")
        print(penalty.weight)  # 1.0
        ```
    """
    if isinstance(identifier, str):
        if identifier not in _SHORTHANDS:
            raise ValueError(
                f"A penalty must be one of {sorted(_SHORTHANDS)} or a "
                f"`Penalty`. Received: {identifier!r}"
            )
        return _SHORTHANDS[identifier]()
    if not isinstance(identifier, Penalty):
        raise TypeError(
            f"A penalty must be one of {sorted(_SHORTHANDS)} or a `Penalty`. "
            f"Received: {identifier!r} of type {type(identifier).__name__}"
        )
    return identifier
