"""Wrong files: no crash, no hang, no memory, no other answer, one error."""

import json
import subprocess
import sys

import pytest

from tests.robustness.read_files import FORMATS

pytestmark = pytest.mark.large


@pytest.mark.parametrize("kind", FORMATS)
def test_wrong_files(kind):
    if kind == "mp4":
        pytest.importorskip("av")
    run = subprocess.run(
        [sys.executable, "-m", "tests.robustness.read_files", kind, "500"],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["files"] > 500
    assert not report["wrong"]
    assert report["seconds"] < 20
    assert report["megabytes"] < 1500
