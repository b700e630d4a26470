"""Quality of GANs."""
