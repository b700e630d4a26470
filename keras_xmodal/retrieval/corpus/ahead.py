"""Work that is done ahead, in a thread."""

import queue
import threading
from collections.abc import Generator, Iterator

_END = object()


def ahead(items: Iterator, size: int) -> Generator:
    """Items of an iterator, up to `size` of them made before they are asked.

    What it raises is raised here. Where this is closed, it is closed too.
    """
    made: queue.Queue = queue.Queue(size)
    stopped = threading.Event()

    def put(item):
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work():
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((_END, None))
        except BaseException as error:
            put((_END, error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stopped.set()
        thread.join()
