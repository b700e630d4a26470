import pytest

from keras_xmodal.serving.errors import plain, refused


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Graph execution error:\n\nDetected at node Assert defined at "
            "(most recent call last):\n<stack traces unavailable>\nassertion "
            "failed: [`contents` must be a JPEG. Received: [110 111]]\n\t "
            "[[{{node Assert}}]]\n\t [[StatefulPartitionedCall/map/while]] "
            "[Op:__inference_signature_wrapper_12]",
            "`contents` must be a JPEG. Received: [110 111]",
        ),
        (
            # Of TensorFlow Serving.
            "2 root error(s) found.\n  (0) INVALID_ARGUMENT: indices[0,0] = 9 "
            "is not in [0, 5)\n\t [[{{node embedding/GatherV2}}]]\n\t "
            "[[StatefulPartitionedCall/_3]]\n  (1) INVALID_ARGUMENT: "
            "indices[0,0] = 9 is not in [0, 5)\n\t [[{{node embedding/"
            "GatherV2}}]]\n0 successful operations.\n0 derived errors ignored.",
            "indices[0,0] = 9 is not in [0, 5)",
        ),
        ("The queue is full", "The queue is full"),
        ("\n", ""),
        ("x" * 600, "x" * 500 + "..."),
    ],
)
def test_messages_without_nodes_of_graphs(message, expected):
    assert plain(message) == expected


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [
        (400, ValueError, False),
        (401, PermissionError, False),
        (404, LookupError, False),
        (422, ValueError, False),
        (429, ConnectionError, True),
        (500, RuntimeError, False),
        (503, ConnectionError, True),
        (504, TimeoutError, False),
        ("CANCELLED", ConnectionError, True),
        ("INVALID_ARGUMENT", ValueError, False),
        ("INTERNAL", RuntimeError, False),
        ("NOT_FOUND", LookupError, False),
        ("UNAUTHENTICATED", PermissionError, False),
        ("UNAVAILABLE", ConnectionError, True),
        ("DEADLINE_EXCEEDED", TimeoutError, False),
    ],
)
def test_kinds(status, kind, again):
    error = refused(status, "why")
    assert (error.kind, error.again) == (kind, again)
    assert str(error) == f"{status}: why"


def test_a_message_that_is_too_large_is_not_sent_again():
    message = "Received message larger than max (5 vs. 4)"
    error = refused("RESOURCE_EXHAUSTED", message)
    assert (error.kind, error.again) == (ValueError, False)
