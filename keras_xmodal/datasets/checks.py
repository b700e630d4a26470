"""Checks of the arguments of `load`.

Each raises a ValueError or TypeError that names the argument, says the rule
and shows what was received.
"""


def check_choices(argument, values, choices):
    """Check that a user chose some of several names, each once.

    Args:
        argument: Name of the argument in the error.
        values: What the user passed.
        choices: The names that there are.

    Returns:
        The values as a tuple.

    Raises:
        TypeError: If it is not a tuple or list.
        ValueError: If it is empty, repeats a name or has an unknown one.
    """
    if isinstance(values, str) or not isinstance(values, (tuple, list)):
        raise TypeError(
            f"`{argument}` must be a tuple or list of strings. Received: "
            f"{argument}={values!r} of type {type(values).__name__}"
        )
    known = all(value in choices for value in values)
    if not values or not known or len(set(values)) < len(values):
        raise ValueError(
            f"`{argument}` must be one or several different ones of {choices}. "
            f"Received: {argument}={values!r}"
        )
    return tuple(values)


def check_split(split, choices):
    """Check that a string names splits, joined with `+`.

    Args:
        split: What the user passed.
        choices: The splits that there are.

    Returns:
        Tuple of the names of splits.

    Raises:
        TypeError: If it is no string.
        ValueError: If it repeats a split or has an unknown one.
    """
    if not isinstance(split, str):
        raise TypeError(
            f"`split` must be a string, such as {choices[0]!r} or "
            f"{'+'.join(choices[:2])!r}. Received: split={split!r} of type "
            f"{type(split).__name__}"
        )
    parts = tuple(part.strip() for part in split.split("+"))
    unknown = [part for part in parts if part not in choices]
    if unknown or len(set(parts)) < len(parts):
        raise ValueError(
            f"`split` must be one or several different ones of {choices}, "
            f"joined with '+'. Received: split={split!r}"
        )
    return parts
