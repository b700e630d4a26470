"""Quality of VAEs."""
