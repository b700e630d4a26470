"""What a check of pairs says."""

from keras_xmodal.reports import Report

SIZES = ("height", "width", "seconds", "words")


class PairsReport(Report):
    """The report of `check_pairs`, and what it says to `from_csv`."""

    def __init__(self, content: dict, arguments: dict):
        super().__init__(content)
        self._arguments = arguments

    @property
    def skip(self) -> list[int]:
        """Numbers of the rows to leave out."""
        return self["skip"]

    def arguments(self) -> dict:
        """What `from_csv`, or `from_folder`, takes beside the path."""
        return {**self._arguments, "skip": self.skip}

    def __str__(self) -> str:
        """A line for all, one for each modality, one for each finding."""
        lines = [
            f"{self['path']}: {self['rows']} rows, {len(self.skip)} of them to "
            f"leave out; {self['items']} items in the others"
        ]
        for name, fact in self["modalities"].items():
            columns = ", ".join(map(repr, fact["columns"]))
            line = f"{name}: {fact['kind']} from {columns}, "
            line += f"{fact['values']} values, {fact['different']} different"
            for size in SIZES:
                if size in fact:
                    low, middle, high = (f"{x:.4g}" for x in fact[size])
                    line += f", {size} {low} to {high} (median {middle})"
            lines.append(line)
        for finding in self["findings"]:
            count = len(finding["rows"])
            lines.append(
                f"{finding['problem']}: {count} row{'s' * (count > 1)}"
                f"{' left out' * finding['left_out']}, such as row "
                f"{finding['rows'][0]}: {finding['example']}"
            )
        return "\n".join(lines)
