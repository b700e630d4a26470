"""A corpus of any size: its rows, what embeds them, what is kept of it."""
