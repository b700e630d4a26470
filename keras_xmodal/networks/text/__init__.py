"""Networks of texts."""
