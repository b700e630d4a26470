"""Calls over gRPC, each within its time."""

import time

from keras_xmodal.serving import errors

_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that was started anew is found soon: gRPC waits up to minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class GRPCChannel:
    """A channel to a server.

    Args:
        url: Parsed URL, of `grpc` or `grpcs`.
        headers: Dict, what goes along with each call.
    """

    def __init__(self, url, headers):
        import grpc

        self.metadata = [
            (name.lower(), value) for name, value in headers.items()
        ]
        if url.scheme == "grpcs":
            self.channel = grpc.secure_channel(
                url.netloc, grpc.ssl_channel_credentials(), _OPTIONS
            )
        else:
            self.channel = grpc.insecure_channel(url.netloc, _OPTIONS)

    def call(self, method, request, response_class, deadline):
        """Send a message to a method; gives the message of the answer."""
        import grpc

        call = self.channel.unary_unary(
            method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response_class.FromString,
        )
        seconds = max(deadline - time.monotonic(), 0.0)
        try:
            return call(request, timeout=seconds, metadata=self.metadata)
        except grpc.RpcError as error:
            raise errors.refused(
                error.code().name, error.details() or ""
            ) from error

    def close(self):
        """Close the channel."""
        self.channel.close()
