"""Weights that a weight decay leaves alone."""


def exclude_from_weight_decay(optimizer, weights):
    """Exclude weights from weight decay, beside those that are excluded."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer is None or optimizer.built:
        return
    # Keras has no public way to add to what a user excluded before.
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    excluded = getattr(optimizer, "_exclude_from_weight_decay", set())
    optimizer.exclude_from_weight_decay(
        var_list=weights, var_names=[pattern.pattern] if pattern else None
    )
    optimizer._exclude_from_weight_decay |= excluded
