"""What `keras-xmodal demo` trains, asks, draws and writes, as a library."""

__all__ = []
