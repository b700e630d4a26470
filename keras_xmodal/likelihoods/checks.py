"""Checks of the arguments that several likelihoods take."""


def check_positive(name, value):
    """Refuse a scale that is not a positive number; return it as a float."""
    if not 0 < value < float("inf"):
        raise ValueError(
            f"`{name}` must be positive and finite. Received: {name}={value}"
        )
    return float(value)


def check_log_scales(min_log_scale, max_log_scale):
    """Refuse bounds that are not in order; return them as floats."""
    if not -float("inf") < min_log_scale < max_log_scale < float("inf"):
        raise ValueError(
            "`min_log_scale` must be less than `max_log_scale`, both finite. "
            f"Received: min_log_scale={min_log_scale}, "
            f"max_log_scale={max_log_scale}"
        )
    return float(min_log_scale), float(max_log_scale)
