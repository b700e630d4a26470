"""The data sets that `load` knows."""
