"""Retrieval among emoji."""
