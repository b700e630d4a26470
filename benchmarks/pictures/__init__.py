"""Pictures of 64 pixels."""
