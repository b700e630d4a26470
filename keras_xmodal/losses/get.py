"""Resolve a loss from the forms that `compile` takes."""

from keras_xmodal.losses.adversarial_loss import AdversarialLoss
from keras_xmodal.losses.contrastive_loss import ContrastiveLoss
from keras_xmodal.losses.hinge import Hinge
from keras_xmodal.losses.info_nce import InfoNCE
from keras_xmodal.losses.least_squares import LeastSquares
from keras_xmodal.losses.minimax import Minimax
from keras_xmodal.losses.non_saturating import NonSaturating
from keras_xmodal.losses.relativistic import Relativistic
from keras_xmodal.losses.sigmoid_contrastive import SigmoidContrastive
from keras_xmodal.losses.triplet_all_negatives import TripletAllNegatives
from keras_xmodal.losses.triplet_hard_negative import TripletHardNegative
from keras_xmodal.losses.triplet_semi_hard_negative import (
    TripletSemiHardNegative,
)
from keras_xmodal.losses.wasserstein import Wasserstein

_SHORTHANDS = {
    ContrastiveLoss: {
        "info_nce": InfoNCE,
        "sigmoid_contrastive": SigmoidContrastive,
        "triplet_all_negatives": TripletAllNegatives,
        "triplet_hard_negative": TripletHardNegative,
        "triplet_semi_hard_negative": TripletSemiHardNegative,
    },
    AdversarialLoss: {
        "hinge": Hinge,
        "least_squares": LeastSquares,
        "minimax": Minimax,
        "non_saturating": NonSaturating,
        "relativistic": Relativistic,
        "wasserstein": Wasserstein,
    },
}


def get(
    identifier: "str | ContrastiveLoss | AdversarialLoss",
    kind: type = ContrastiveLoss,
) -> "ContrastiveLoss | AdversarialLoss":
    """Resolve a loss from its name, as Keras does.

    Args:
        identifier: A loss, or the snake-case name of one, which stands for
            the loss with its default arguments.
        kind: `ContrastiveLoss`, or `AdversarialLoss` for the losses of a GAN.

    Returns:
        The loss.

    Raises:
        ValueError: If the name is unknown.
        TypeError: If it is neither a name nor a loss of that kind.

    Example:
        ```python
        import keras_xmodal as kx

        loss = kx.losses.get("info_nce")
        print(loss.symmetric)
        loss = kx.losses.get("relativistic", kx.losses.AdversarialLoss)
        ```
    """
    shorthands = _SHORTHANDS[kind]
    if isinstance(identifier, str):
        if identifier not in shorthands:
            raise ValueError(
                f"`loss` must be one of {sorted(shorthands)} or of type "
                f"`{kind.__name__}`. Received: loss={identifier!r}"
            )
        return shorthands[identifier]()
    if not isinstance(identifier, kind):
        raise TypeError(
            f"`loss` must be one of {sorted(shorthands)} or of type "
            f"`{kind.__name__}`. Received: loss={identifier!r} of type "
            f"{type(identifier).__name__}"
        )
    return identifier
