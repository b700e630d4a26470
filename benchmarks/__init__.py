"""One runnable module for each claim: `python -m benchmarks.NAME`."""
