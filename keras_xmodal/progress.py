"""Progress bars."""

from typing import Any


def bar(**options) -> Any:
    """A bar of `tqdm`, which is imported on use."""
    from tqdm.auto import tqdm

    return tqdm(**options)
