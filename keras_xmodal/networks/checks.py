"""Checks that networks share."""

import numbers


def check_positive_integers(argument, values):
    """Check that sizes are positive integers.

    Args:
        argument: Name of the argument in the error.
        values: Iterable of what was passed.

    Raises:
        ValueError: If one is not, or it is no tuple or list.
    """
    for value in values if isinstance(values, (tuple, list)) else [None]:
        integer = isinstance(value, numbers.Integral)
        if not integer or isinstance(value, bool) or value < 1:
            raise ValueError(
                f"`{argument}` must be positive integers. "
                f"Received: {argument}={values}"
            )


def joined_size(input_shape):
    """Size of vectors side by side.

    Args:
        input_shape: Shape `(batch, dim)`, or a list of such shapes.

    Returns:
        Integer.

    Raises:
        ValueError: If one is not a vector of known size.
    """
    first = input_shape[0]
    many = isinstance(first, (list, tuple))
    shapes = list(input_shape) if many else [input_shape]
    for shape in shapes:
        if len(shape) != 2 or shape[1] is None:
            raise ValueError(
                "`inputs` must have shape (batch, dim), one or a list of "
                f"them. Received: shapes {[tuple(s) for s in shapes]}"
            )
    return sum(shape[1] for shape in shapes)
