"""A page to play in, on this machine."""

import contextlib
import errno
import logging
import os
import socket
import sys
import tempfile
import webbrowser

from keras_xmodal import checks
from keras_xmodal.play.answers import Answers
from keras_xmodal.play.build_page import import_gradio
from keras_xmodal.play.make_app import make_app
from keras_xmodal.runs import Run

_UPLOADS = "GRADIO_TEMP_DIR"  # as Gradio reads it


def serve(
    run: Run,
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = False,
) -> None:
    """Serve a page to play in with what a run has learned, until Ctrl+C.

    Visitors search with words, pictures, recordings and clips, two of them at
    once if they like; draw with the run's generator, if there is one; and see
    the space as a map. The page works without the internet: nothing is loaded
    from elsewhere, and nothing is sent away. Uploads are limited to 20 MB and
    removed at the end. Of all files, only pictures, recordings and clips of
    the run's items are served.

    This needs `pip install 'keras-xmodal[play]'`, which brings Gradio.

    Args:
        run: `kx.runs.Run`.
        host: Name or address to listen at. The default is heard by this
            machine alone; `"0.0.0.0"` by all that reach it, who are not asked
            who they are.
        port: Integer from 0 to 65535; 0 for any that is free.
        open_browser: Whether to open the page in the browser of this machine.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If `port` is out of range.
        OSError: If the port is in use, or the host is none of this machine.
        ImportError: If Gradio is not installed.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"color": 3, "taste": 2}, 4)
        model.encode({"color": np.eye(3), "taste": np.ones((3, 2))})
        cherry = {"numbers": [0.9, 0.1, 0.2], "item": "cherry", "captions": []}
        kx.runs.write_run(
            "fruit",
            model,
            {"color": {"cherry": cherry}},
            {"modalities": {
                "color": {"kind": "numbers", "columns": ["r", "g", "b"]},
                "taste": {"kind": "numbers", "columns": ["sweet", "sour"]},
            }},
        )
        if __name__ == "__main__":
            kx.play.serve(kx.runs.Run.load("fruit"), open_browser=True)
        ```
    """
    checks.instance_of("run", run, Run, "a `kx.runs.Run`")
    host = checks.string("host", host)
    port = checks.integer("port", port, 0, 65535)
    open_browser = checks.boolean("open_browser", open_browser)
    import_gradio()
    with _listen(host, port) as listener, _own_uploads():
        import uvicorn

        run.warm_up()
        config = uvicorn.Config(
            make_app(Answers(run), host),
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/"
        sys.stderr.write(f"{address} (Ctrl+C ends it)\n")
        sys.stderr.flush()
        if open_browser:
            webbrowser.open(address)
        server = uvicorn.Server(config)
        # Pages that are still open when it ends are no errors.
        log = logging.getLogger("uvicorn.error")
        log.addFilter(lambda record: not server.should_exit)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


@contextlib.contextmanager
def _own_uploads():
    """A folder for what visitors drop, of this user alone, gone at the end."""
    before = os.environ.get(_UPLOADS)
    with tempfile.TemporaryDirectory(prefix="keras-xmodal-play-") as folder:
        os.environ[_UPLOADS] = folder
        try:
            yield
        finally:
            del os.environ[_UPLOADS]
            if before is not None:
                os.environ[_UPLOADS] = before


def _listen(host, port):
    """A socket that listens, before anything is computed."""
    try:
        (family, *_, place), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            rule = "`port` must be free, or 0 for any that is"
        else:
            rule = "`host` and `port` must be such that one can listen there"
        known = isinstance(error, socket.gaierror) or not error.errno
        reason = error.strerror if known else os.strerror(error.errno)
        raise type(error)(
            f"{rule}. Received: host={host!r}, port={port}, {reason}"
        ) from error
