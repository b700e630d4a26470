"""Networks of pictures."""
