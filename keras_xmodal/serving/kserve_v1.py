"""KServe's V1 protocol, over REST."""

from keras_xmodal.serving import json_values
from keras_xmodal.serving.served_model import ServedModel


class KServeV1(ServedModel):
    """A model of a server of the V1 protocol, which tells no inputs."""

    def signatures(self, deadline):
        """None that are known."""
        return {}

    def predict(self, inputs, signature, specs, deadline):
        """Outputs of a signature, by name; of one without a name, `output`."""
        columns = {
            name: json_values.to_json(array) for name, array in inputs.items()
        }
        rows = zip(*columns.values(), strict=True)
        content = {
            "signature_name": signature,
            "instances": [dict(zip(columns, row, strict=True)) for row in rows],
        }
        return self.transport.post(
            f"{self.path('v1')}:predict", content, deadline, _read_outputs
        )

    def is_ready(self, deadline):
        """Whether the model can answer."""
        return self.transport.get(
            self.path("v1"),
            deadline,
            lambda answer: answer.get("ready", True) in (True, "True"),
        )


def _read_outputs(answer):
    rows = answer["predictions"]
    if not all(isinstance(row, dict) for row in rows):
        rows = [{"output": row} for row in rows]
    return {
        name: _floats(json_values.from_json([row[name] for row in rows]))
        for name in rows[0]
    }


def _floats(array):
    return array.astype("float32") if array.dtype.kind == "f" else array
