"""Networks of KerasHub."""
