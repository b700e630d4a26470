"""Speed of training, beside peers and on a GPU."""
