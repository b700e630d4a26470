"""Writes the tables of both README.md from `results/`: a table is its JSON.

python -m benchmarks.tables
"""

from benchmarks.tables import readmes

readmes.write()
