"""What a recipe has chosen, and why, in words."""

import html
from collections.abc import Iterable
from typing import NamedTuple


class Choice(NamedTuple):
    """One choice of a recipe: what about, which, and why."""

    what: str
    choice: str
    why: str


class Plan(list):
    """The choices of a recipe, in order: a list that prints as words.

    Notebooks show it as a table.

    Args:
        choices: Tuples of strings `(what, choice, why)`.

    Example:
        ```python
        import keras_xmodal as kx

        plan = kx.recipes.Plan([("size of image", "32 x 32", "as it is")])
        plan.add("epochs", "40", "the default")
        print(plan)  # size of image: 32 x 32, as it is ...
        ```
    """

    def __init__(self, choices: Iterable = ()):
        super().__init__(Choice(*choice) for choice in choices)

    def add(self, what: str, choice: str, why: str) -> None:
        """Add a choice, in the place of one that is about the same.

        Args:
            what: What it is about.
            choice: Which.
            why: The reason.
        """
        new = Choice(what, choice, why)
        for place, old in enumerate(self):
            if old.what == what:
                self[place] = new
                return
        self.append(new)

    def __str__(self) -> str:
        """One line a choice."""
        return "\n".join(f"{c.what}: {c.choice}, {c.why}" for c in self)

    def _repr_html_(self) -> str:
        rows = (
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in choice)
            for choice in self
        )
        head = "<tr><th></th><th>choice</th><th>because</th></tr>"
        return f"<table>{head}{''.join(rows)}</table>"
