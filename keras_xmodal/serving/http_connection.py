"""Requests over HTTP, each within its time, on connections that stay open."""

import http.client
import json
import queue
import ssl
import time

from keras_xmodal.serving import errors

_PART = 2**16  # bytes of an answer that are read at once


class HTTPConnection:
    """Connections to a server, as many as there are requests at a time.

    Args:
        url: Parsed URL, of `http` or `https`.
        headers: Dict of further headers.
    """

    def __init__(self, url, headers):
        self.url = url
        self.headers = headers
        self._idle = queue.LifoQueue()

    def get(self, path, deadline, read):
        """Ask for a path; gives what `read` makes of the JSON."""
        return self._ask("GET", path, None, deadline, read)

    def post(self, path, content, deadline, read):
        """Send JSON; gives what `read` makes of the JSON of the answer."""
        body = json.dumps(content, ensure_ascii=False, allow_nan=False)
        return self._ask("POST", path, body.encode(), deadline, read)

    def close(self):
        """Close the connections."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _ask(self, method, path, body, deadline, read):
        status, headers, content = self._exchange(method, path, body, deadline)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = content.decode(errors="replace")
        if status != 200:
            wait = headers.get("Retry-After", "")
            wait = float(wait) if wait.isdigit() else 0.0
            raise errors.refused(status, _message(answer), wait)
        try:
            return read(answer)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise errors.AnswerError(
                RuntimeError,
                "an answer that is none of the protocol's, "
                f"{repr(answer)[:80]}",
            ) from error

    def _exchange(self, method, path, body, deadline):
        connection = self._take()
        # One that has been used may have been closed by the server since.
        used = connection.sock is not None
        try:
            connection.timeout = _remaining(deadline)
            if used:
                connection.sock.settimeout(connection.timeout)
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request(method, self.url.path + path, body, headers)
            answer = connection.getresponse()
            parts = []
            while part := answer.read1(_PART):
                parts.append(part)
                if connection.sock is not None:
                    connection.sock.settimeout(_remaining(deadline))
            answer.close()  # Else no further request can be sent.
        except TimeoutError as error:
            connection.close()
            raise errors.AnswerError(
                TimeoutError, "no answer in time"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if used and time.monotonic() < deadline:
                return self._exchange(method, path, body, deadline)
            raise errors.AnswerError(
                ConnectionError, f"{type(error).__name__}: {error}", again=True
            ) from error
        self._idle.put(connection)
        return answer.status, answer.headers, b"".join(parts)

    def _take(self):
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        host, port = self.url.hostname, self.url.port
        if self.url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, context=context)
        return http.client.HTTPConnection(host, port)


def _message(answer):
    """What the JSON of an error says."""
    if isinstance(answer, dict):
        answer = answer.get("error", answer.get("detail", answer))
    if isinstance(answer, str):
        return answer
    return json.dumps(answer, ensure_ascii=False)


def _remaining(deadline):
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
