"""Little data, heavy models, what is new."""
