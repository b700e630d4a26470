"""What penalties on the gradient of a discriminator share."""

from keras_xmodal import checks, saving


@saving.register
class Penalty:
    """Base of penalties on the gradient norm of a discriminator.

    A penalty is a function of `s = ||grad D||^2`, the squared norm of the
    gradient of the logit of each example, over all its axes, be it a vector, a
    picture, a spectrogram or a clip. A subclass says in `location` where the
    gradient is taken and in `call` what it costs. It costs the discriminator
    only, and at every step.

    Args:
        weight: Non-negative float that the penalty is multiplied by.
        name: Name of the metric that reports the penalty.

    Call arguments:
        squared_norm: Float32 tensor of shape `(batch,)`.

    Returns:
        Float32 tensor of shape `(batch,)`.

    Raises:
        ValueError: If the weight is negative or not finite.

    Attributes:
        location: `"real"`, `"fake"`, or `"between"`: at a random point between
            a real example and a generated one, uniformly, for each pair.
        of_condition: Whether the gradient is taken by the condition as well.
    """

    location = "real"
    of_condition = False

    def __init__(self, weight: float = 1.0, name: str = "penalty"):
        self.weight = checks.not_negative("weight", weight)
        self.name = name

    def __call__(self, squared_norm):
        return self.weight * self.call(squared_norm)

    def call(self, squared_norm):
        """What a squared norm costs, before it is weighted.

        Args:
            squared_norm: Float32 tensor of shape `(batch,)`.

        Returns:
            Float32 tensor of shape `(batch,)`.
        """
        raise NotImplementedError
