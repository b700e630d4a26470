"""What the benchmarks share: where files lie, processes, schedules."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent
PEERS = ROOT / "peers"
RESULTS = ROOT / "results"

BATCH_SIZE = 64


def falling_rate(peak, examples, epochs, batch_size=BATCH_SIZE):
    """A learning rate that rises shortly and falls to 0 by a cosine."""
    import keras  # Those that only start processes need none of it.

    num_steps = epochs * -(-examples // batch_size)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        num_steps - num_steps // 20,
        warmup_target=peak,
        warmup_steps=num_steps // 20,
    )


def this_command():
    """The command that started this process, without its arguments."""
    return [sys.executable, "-m", sys.modules["__main__"].__spec__.name]
