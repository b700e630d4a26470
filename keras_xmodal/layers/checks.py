"""Checks that layers share."""


def check_features_and_condition(input_shape, name, rank=None):
    """Check the shapes of features and of the vector they depend on.

    Args:
        input_shape: List of two shapes.
        name: Name of the features in the error.
        rank: Rank of the features, or None for any.

    Raises:
        ValueError: If they are something else.
    """
    shapes = [
        tuple(shape)
        for shape in input_shape
        if isinstance(shape, (list, tuple))
    ]
    fits = (
        len(shapes) == 2
        and len(shapes[0]) >= 2
        and rank in (None, len(shapes[0]))
        and len(shapes[1]) == 2
        and shapes[0][-1] is not None
        and shapes[1][-1] is not None
    )
    if not fits:
        features = "dim" if rank == 2 else "..., channels"
        raise ValueError(
            f"`inputs` must be [{name}, condition], of shapes (batch, "
            f"{features}) and (batch, dim). Received: input_shape={input_shape}"
        )
