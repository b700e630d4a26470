"""One space for modalities."""
