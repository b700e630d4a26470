"""What images, speech and clips are to texts, by families of models."""
