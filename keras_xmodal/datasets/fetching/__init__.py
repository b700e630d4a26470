"""Data sets from their packages."""
