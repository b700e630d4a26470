"""Errors of servers in words, by the kind of Python's own."""

import re

# Of a graph in which an operation fails, which says nothing to a client.
_NODES = re.compile(
    r"^(Graph execution error:|Detected at node .*|<stack traces unavailable>"
    r"|\s*\[\[.*|\d+ root error\(s\) found\.|\d+ (successful|derived) .*)$"
)
_MARKS = re.compile(
    r"^\s*(\(\d+\) )?(INVALID_ARGUMENT: )?(assertion failed: \[(?P<text>.*)\])?"
)
_MOST = 500  # characters of a message


def plain(message):
    """What an error says, without the nodes of a graph."""
    lines = []
    for line in message.split("\n"):
        line = re.sub(r"\s*(\[\[\{\{node .*|\[Op:\w+\].*)$", "", line)
        if not line.strip() or _NODES.match(line):
            continue
        found = _MARKS.match(line)
        text = found["text"]
        lines.append(text if text is not None else line[found.end() :])
    text = " ".join(dict.fromkeys(lines)) or message.strip()
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."


class AnswerError(Exception):
    """An answer of a server that is no success.

    Args:
        kind: Class of Python's errors that it is to the caller.
        message: What the server says.
        again: Whether the same request may succeed later.
        wait: Float, seconds that the server asks to wait.
    """

    def __init__(self, kind, message, again=False, wait=0.0):
        super().__init__(message)
        self.kind = kind
        self.again = again
        self.wait = wait


# Status of HTTP and name of gRPC: the kind of error, and whether it may pass.
KINDS = {
    400: (ValueError, False),
    401: (PermissionError, False),
    403: (PermissionError, False),
    404: (LookupError, False),
    408: (TimeoutError, False),
    413: (ValueError, False),
    422: (ValueError, False),
    429: (ConnectionError, True),
    502: (ConnectionError, True),
    503: (ConnectionError, True),
    504: (TimeoutError, False),
    "ABORTED": (ConnectionError, True),
    "CANCELLED": (ConnectionError, True),  # By a server that ends.
    "DEADLINE_EXCEEDED": (TimeoutError, False),
    "FAILED_PRECONDITION": (ValueError, False),
    "INVALID_ARGUMENT": (ValueError, False),
    "NOT_FOUND": (LookupError, False),
    "OUT_OF_RANGE": (ValueError, False),
    "PERMISSION_DENIED": (PermissionError, False),
    "RESOURCE_EXHAUSTED": (ConnectionError, True),
    "UNAUTHENTICATED": (PermissionError, False),
    "UNAVAILABLE": (ConnectionError, True),
}


def refused(status, message, wait=0.0):
    """The error for a status, a number of HTTP or a name of gRPC."""
    kind, again = KINDS.get(status, (RuntimeError, False))
    if "larger than max" in message:  # gRPC says that resources are exhausted.
        kind, again = ValueError, False
    return AnswerError(kind, f"{status}: {plain(message)}", again, wait)
