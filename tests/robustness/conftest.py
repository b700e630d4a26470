"""The small packages of the data sets' tests."""

from tests.datasets.conftest import (  # noqa: F401
    data_dir,
    labels,
    packages,
    registry,
)
