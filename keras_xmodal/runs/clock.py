"""How long the steps of a run take."""

import time


class Clock:
    """Seconds of each step."""

    def __init__(self):
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a step."""
        now = time.perf_counter()
        self.laps[name] = round(now - self._last, 1)
        self._last = now
