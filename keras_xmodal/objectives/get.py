"""Resolve an objective from the forms that a model takes."""

from keras_xmodal.objectives.jmvae import JMVAE
from keras_xmodal.objectives.mmvae import MMVAE
from keras_xmodal.objectives.mmvae_plus import MMVAEPlus
from keras_xmodal.objectives.mopoe import MoPoE
from keras_xmodal.objectives.mvae import MVAE
from keras_xmodal.objectives.mvtcae import MVTCAE
from keras_xmodal.objectives.objective import Objective
from keras_xmodal.objectives.telbo import TELBO

_SHORTHANDS = {
    "jmvae": JMVAE,
    "mmvae": MMVAE,
    "mmvae_plus": MMVAEPlus,
    "mopoe": MoPoE,
    "mvae": MVAE,
    "mvtcae": MVTCAE,
    "telbo": TELBO,
}


def get(identifier: "str | Objective") -> Objective:
    """Resolve an objective from its name, as Keras does.

    Args:
        identifier: An `Objective`, or the name of one in lower case, which
            stands for the objective with its default arguments. `CVAE` has
            no name, for it needs its target.

    Returns:
        The objective.

    Raises:
        ValueError: If the name is unknown.
        TypeError: If it is neither a name nor an `Objective`.

    Example:
        ```python
        import keras_xmodal as kx

        objective = kx.objectives.get("mopoe")
        print(objective.beta)
        ```
    """
    if isinstance(identifier, str):
        if identifier not in _SHORTHANDS:
            raise ValueError(
                f"`objective` must be one of {sorted(_SHORTHANDS)} or an "
                f"`Objective`. Received: objective={identifier!r}"
            )
        return _SHORTHANDS[identifier]()
    if not isinstance(identifier, Objective):
        raise TypeError(
            "`objective` must be the name of an objective or an `Objective`. "
            f"Received: objective={identifier!r} of type "
            f"{type(identifier).__name__}"
        )
    return identifier
