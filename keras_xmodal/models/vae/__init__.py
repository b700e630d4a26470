"""The joint distribution of modalities."""
