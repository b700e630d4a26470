"""What a smaller tower costs and keeps."""
