"""The README of the benchmarks says what their results say."""

from benchmarks import tables


def test_tables_are_those_of_the_results():
    text = tables.README.read_text("utf-8")
    # If this fails: python -m benchmarks.tables
    assert tables.written(text) == text
    assert text.count("<!-- table: ") == text.count("\n|---")
