"""PyArrow, which reads and writes Parquet files."""


def load_pyarrow():
    """Import PyArrow, or say how to install it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files need PyArrow: pip install 'keras-xmodal[parquet]'"
        ) from error
    return pyarrow
