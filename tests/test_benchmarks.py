"""The benchmarks: one command, and a README that says what it measured."""

import json
import re

import keras
import numpy as np
import pytest

import benchmarks.__main__ as command
from benchmarks import catalogue, gpu, needs
from benchmarks.settings import RESULTS, ROOT
from benchmarks.speed import floor
from benchmarks.tables import readmes, results

WRITES = """
import json, pathlib, sys
pathlib.Path(sys.argv[-1]).write_text(json.dumps({"value": 7}))
"""


@pytest.mark.parametrize("path", readmes.READMES, ids=lambda p: p.parent.name)
def test_tables_are_those_of_the_results(path):
    text = path.read_text("utf-8")
    # If this fails: python -m benchmarks.tables
    assert readmes.written(text) == text


def test_all_figures_of_the_benchmarks_are_of_results():
    text = readmes.READMES[-1].read_text("utf-8")
    assert text.count("<!-- table: ") == text.count("\n|---")


def test_a_table_without_results_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    written = readmes.written("<!-- table: query_speed -->\n| old |\n")
    assert written.splitlines()[1:] == [*readmes.UNMEASURED]


def test_all_results_and_their_sections_have_a_command():
    names = [benchmark.name for benchmark in catalogue.BENCHMARKS]
    assert len({*names}) == len(names)
    assert {path.stem for path in RESULTS.glob("*.json")} <= {*names}
    commands = re.findall(
        r"^    python -m benchmarks --work bench (.+)$",
        readmes.READMES[-1].read_text("utf-8").replace("\\\n", ""),
        re.MULTILINE,
    )
    assert sorted(" ".join(commands[1:]).split()) == sorted(names)


def test_commands_are_of_modules_that_there_are():
    for benchmark in catalogue.BENCHMARKS:
        _, module, *_ = benchmark.arguments(ROOT)
        path = ROOT.parent.joinpath(*module.split("."))
        modules = path.with_suffix(".py"), path / "__main__.py"
        assert any(module.exists() for module in modules), benchmark.name


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command with a single benchmark, a line of Python."""
    machine = {"load": 0.1, "code": WRITES}
    one = catalogue.Benchmark("one", "none", 1, timed=True)
    for module in (command, results):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "BENCHMARKS", (one,))
    monkeypatch.setattr(readmes, "write", lambda: None)
    monkeypatch.setattr(command, "load_of", lambda _: machine["load"])
    monkeypatch.setattr(
        catalogue.Benchmark,
        "arguments",
        lambda _, folder: ["-c", machine["code"], str(folder / "one.partial")],
    )

    def run(*names, **changed):
        machine.update(changed)
        return command.main(["--work", str(tmp_path / "w"), "--wait=0", *names])

    return run


def test_results_are_kept_with_code_and_machine(run, tmp_path, capsys):
    assert run() == 0
    results = json.loads((tmp_path / "one.json").read_text())
    assert results["value"] == 7
    facts = results["run"]
    assert facts["command"] == "python -m benchmarks.none"
    assert (facts["load_before"], facts["commit"]) == (0.1, command.commit())
    assert command.main(["--list"]) == 0
    assert f"{facts['date']} at {facts['commit']}" in capsys.readouterr().out


def test_what_is_done_is_not_run_again(run, tmp_path):
    run()
    assert run(code="raise SystemExit(3)") == 0
    (tmp_path / "w" / "one.json").unlink()
    assert run() == 1


def test_a_busy_machine_is_refused(run, tmp_path, capsys):
    assert run(load=1.7) == 1
    assert "Received: 1.7 cores in use" in capsys.readouterr().out
    assert not (tmp_path / "one.json").exists()


@pytest.mark.parametrize(
    "code",
    ["raise SystemExit('no disk')", "open(__import__('sys').argv[-1], 'w')"],
)
def test_a_failure_leaves_the_last_results(run, tmp_path, capsys, code):
    run()
    (tmp_path / "w" / "one.json").unlink()
    before = (tmp_path / "one.json").read_text()
    assert run(code=code) == 1
    assert (tmp_path / "one.json").read_text() == before
    assert "left: one: " in capsys.readouterr().out


def test_what_is_missing_is_said(run, monkeypatch, capsys):
    def gpu(folder):
        raise needs.MissingError("there is no GPU")

    monkeypatch.setitem(needs._FUNCTIONS, "gpu", gpu)
    one = catalogue.Benchmark("one", "none", 1, ("gpu",))
    monkeypatch.setattr(command, "BENCHMARKS", (one,))
    assert run() == 1
    assert "left: one: there is no GPU" in capsys.readouterr().out


def test_names_are_checked(run):
    with pytest.raises(SystemExit):
        run("another")


def test_floor_of_a_step_is_that_counted_by_hand():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, strides=2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    model.compile("adam", "mse")
    batch = np.zeros((2, 8, 8, 3), "float32"), np.zeros((2, 5), "float32")
    work = floor.work_of(model, batch)
    convolution, dense = 2 * (2 * 4 * 4) * (9 * 3 * 4), 2 * 2 * 64 * 5
    # Forward and by the weights; by the input, but for that of the model.
    assert work["flops"] == 2 * convolution + 3 * dense
    weights = 9 * 3 * 4 + 4 + 64 * 5 + 5
    image, places, features, out = 2 * 192, 2 * 64, 2 * 64, 2 * 5
    kernel, matrix = 9 * 3 * 4, 64 * 5
    moved = 2 * (image + kernel + places) + 3 * (features + matrix + out)
    # The shape of the kernel is an input of the gradient by it.
    assert work["bytes"] == 4 * (moved + 4 + 8 * weights)
    machine = {"flops_per_s": 1e3, "bytes_per_s": 1e12}
    assert floor.seconds(work, machine) == work["flops"] / 1e3


@pytest.mark.large
def test_dry_run_of_the_gpu_benchmark(tmp_path):
    out = tmp_path / "gpu.json"
    gpu.main(["--dry-run", "--models", "EmbeddingModel", "--out", str(out)])
    (run,) = json.loads(out.read_text("utf-8"))["runs"]
    assert run["run"] == "EmbeddingModel, bfloat16"
    assert [r["batch_size"] for r in run["results"]] == [4, 8]
    for result in run["results"]:
        rate = 1000 * result["batch_size"] / result["milliseconds"]
        assert result["samples_per_s"] == pytest.approx(rate)
        assert result["floor"] > 0
    assert set(run["rates"]) == set(floor.RATES)
