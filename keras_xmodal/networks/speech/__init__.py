"""Networks of recordings."""
