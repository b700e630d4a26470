"""What all protocols have in common."""


class ServedModel:
    """A model of a server, asked by a protocol.

    Args:
        transport: `HTTPConnection` or `GRPCChannel`.
        model: String, its name.
        version: Integer, or None for what the server chooses.
    """

    knows_all_signatures = False

    def __init__(self, transport, model, version):
        self.transport = transport
        self.model = model
        self.version = version

    def path(self, root):
        """Where it is, over REST."""
        path = f"/{root}/models/{self.model}"
        return (
            path if self.version is None else f"{path}/versions/{self.version}"
        )

    def close(self):
        """Close all connections."""
        self.transport.close()
