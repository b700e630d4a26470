"""Reports: dicts that show themselves as tables."""

import copy
import json
import pickle

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.reports import Report

FIGURES = {
    "R@1": 1 / 3,
    "MedR": 16.0,
    "kind": "a <b>",
    "chance_R@1": 0.1,
    "baseline_R@1": 0.25,
    "floor": {"MedR": 1},
    "pairs": {"a_to_b": 0.5, "b_to_a": 2},
    "endpoints": {"embed": {"bytes": 9}, "search": {"shape": [None, 3]}},
    "per_dim": [1, 0.5],
    "none": None,
}
TEXT = """\
                 chance  baseline  floor
R@1      0.3333     0.1      0.25
MedR         16                        1
kind      a <b>
per_dim  1, 0.5
none       None

pairs
a_to_b  0.5
b_to_a    2

endpoints
        bytes    shape
embed       9
search         None, 3"""


def test_tables():
    assert str(Report(FIGURES)) == TEXT
    many = str(Report(per_dim=np.arange(20)))
    assert many == "per_dim  0, 1, 2, 3, 4, 5, 6, … (20)"
    assert str(Report(matrix=np.eye(3))) == "matrix  3 × 3 float64"
    assert str(Report()) == ""
    assert len(str(Report(a="x" * 100))) < 80


def test_html():
    found = Report(FIGURES)._repr_html_()
    assert found.count("<table>") == 3
    assert "<th>chance</th><th>baseline</th><th>floor</th>" in found
    row = "<tr><th>R@1</th><td>0.3333</td><td>0.1</td><td>0.25</td><td></td>"
    assert row in found
    assert "a &lt;b&gt;" in found
    assert "<caption>pairs</caption>" in found
    deep = Report(split={"a": {"b": {"R@1": 1}}})
    assert "<caption>split, a</caption>" in deep._repr_html_()


def test_it_is_a_dict():
    plain = {"a": 1, "b": {"c": [2.5]}}
    report = Report(plain)
    assert report == plain
    assert repr(report) == repr(plain)
    assert json.dumps(report) == json.dumps(plain)
    for copied in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert copied == plain
        assert isinstance(copied, Report)


def test_the_prompt_of_ipython():
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    assert pretty(Report(a=1.23456)) == "a  1.235"


def test_reports_of_the_package():
    rows = np.eye(4, 3)
    report = kx.metrics.retrieval_report(rows, rows)
    assert isinstance(report, Report)
    assert str(report).splitlines()[1].split()[:1] == ["R@1"]
