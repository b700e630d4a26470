"""Requests over HTTP, each within its time, on connections that stay open."""

import http.client
import json
import ssl
import threading
import time

from keras_xmodal.serving import errors

_PART = 2**16  # bytes of an answer that are read at once


class HTTPConnection:
    """Connections to a server, one for each thread.

    Args:
        url: Parsed URL, of `http` or `https`.
        headers: Dict of further headers.
    """

    def __init__(self, url, headers):
        self.url = url
        self.headers = headers
        self._local = threading.local()
        self._opened = []

    def get(self, path, deadline):
        """Ask for a path; gives what its JSON holds."""
        return self._ask("GET", path, None, deadline)

    def post(self, path, content, deadline):
        """Send JSON; gives what the JSON of the answer holds."""
        body = json.dumps(content, ensure_ascii=False, allow_nan=False)
        return self._ask("POST", path, body.encode(), deadline)

    def close(self):
        """Close the connections of all threads."""
        for connection in self._opened:
            connection.close()

    def _ask(self, method, path, body, deadline):
        status, headers, content = self._exchange(method, path, body, deadline)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {"error": content.decode(errors="replace")}
        if status == 200:
            return answer
        message = answer
        if isinstance(answer, dict):
            message = answer.get("error", answer.get("detail", answer))
        if not isinstance(message, str):
            message = json.dumps(message, ensure_ascii=False)
        wait = headers.get("Retry-After", "")
        raise errors.refused(
            status, message, float(wait) if wait.isdigit() else 0.0
        )

    def _exchange(self, method, path, body, deadline):
        connection = self._connection()
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
            return answer.status, answer.headers, b"".join(parts)
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

    def _connection(self):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            if self.url.scheme == "https":
                connection = http.client.HTTPSConnection(
                    self.url.hostname,
                    self.url.port,
                    context=ssl.create_default_context(),
                )
            else:
                connection = http.client.HTTPConnection(
                    self.url.hostname, self.url.port
                )
            self._local.connection = connection
            self._opened.append(connection)
        return connection


def _remaining(deadline):
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
