"""Resolve a loss from the forms that `compile` takes."""

from keras_xmodal.losses.contrastive_loss import ContrastiveLoss
from keras_xmodal.losses.info_nce import InfoNCE
from keras_xmodal.losses.sigmoid_contrastive import SigmoidContrastive
from keras_xmodal.losses.triplet_all_negatives import TripletAllNegatives
from keras_xmodal.losses.triplet_hard_negative import TripletHardNegative
from keras_xmodal.losses.triplet_semi_hard_negative import (
    TripletSemiHardNegative,
)

_SHORTHANDS = {
    "info_nce": InfoNCE,
    "sigmoid_contrastive": SigmoidContrastive,
    "triplet_all_negatives": TripletAllNegatives,
    "triplet_hard_negative": TripletHardNegative,
    "triplet_semi_hard_negative": TripletSemiHardNegative,
}


def get(identifier: "str | ContrastiveLoss") -> ContrastiveLoss:
    """Resolve a contrastive loss from its name, as Keras does.

    Args:
        identifier: A `ContrastiveLoss`, or the snake-case name of one, which
            stands for the loss with its default arguments.

    Returns:
        The loss.

    Raises:
        ValueError: If the name is unknown.
        TypeError: If it is neither a name nor a `ContrastiveLoss`.

    Example:
        ```python
        import keras_xmodal as kx

        loss = kx.losses.get("info_nce")
        print(loss.symmetric)
        ```
    """
    if isinstance(identifier, str):
        if identifier not in _SHORTHANDS:
            raise ValueError(
                f"`loss` must be one of {sorted(_SHORTHANDS)} or a "
                f"`ContrastiveLoss`. Received: loss={identifier!r}"
            )
        return _SHORTHANDS[identifier]()
    if not isinstance(identifier, ContrastiveLoss):
        raise TypeError(
            "`loss` must be the name of a contrastive loss or a "
            f"`ContrastiveLoss`. Received: loss={identifier!r} of type "
            f"{type(identifier).__name__}"
        )
    return identifier
