import io
import json
import sys

import pytest

import keras_xmodal as kx
from keras_xmodal.runs import search
from keras_xmodal_cli import main


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_query_and_its_hits(written, data, capsys):
    assert main(["search", str(written), "blue", "-k", "2", "--json"]) == 0
    result = told(capsys)
    assert (result["query"], result["modality"]) == ("blue", "text")
    assert [hit["id"] for hit in result["hits"]] == ["blue.png", "white.png"]
    assert result["hits"][0]["captions"] == ["blue", "the blue one"]
    assert result["hits"][0]["file"] == str(data.parent / "blue.png")


def test_several_queries_are_told_apart(written, data, capsys):
    picture = str(data.parent / "red.png")
    command = ["search", str(written), "the green one", picture, "-k", "1"]
    assert main(command) == 0
    # Captions that an id says are not repeated.
    assert capsys.readouterr().out.splitlines() == [
        "the green one:",
        " 1.000  green.png  the green one",
        "",
        f"{picture}:",
        " 1.000  red  the red one",
    ]
    assert main([*command, "--in", "text", "--json"]) == 0
    answers = told(capsys)["answers"]
    assert [a["modality"] for a in answers] == ["text", "image"]
    assert [a["hits"][0]["id"] for a in answers] == ["green", "red"]


def ask(folder, *lines, k=1):
    content = b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
        for line in lines
    )
    return list(search.stream(str(folder), io.BytesIO(content), k=k))


def test_lines_are_answered_one_by_one(written, data):
    red = str(data.parent / "red.png")
    asked = ["white", {"text": "green"}, {"image": red}]
    asked += [{"image": red, "text": "but blue"}, red]
    answers = ask(written, *asked)
    assert [answer["query"] for answer in answers] == asked
    assert [answer["modality"] for answer in answers] == [
        *("text", "text", "image", "image+text", "image"),
    ]
    assert [answer["hits"][0]["id"] for answer in answers] == [
        *("white.png", "green.png", "red", "white.png", "red"),
    ]


def test_wrong_lines_leave_the_others_alone(written):
    wrong = [
        b"\xff\xfe",
        b"{",
        7,
        [1],
        {"sound": "a.wav"},
        {"image": "nowhere.png"},
        "?!",
        {},
        b'"' + b"x" * 2**21 + b'"',
        b"[" * 100_000,
    ]
    answers = ask(written, *wrong, b"  ", "red")
    assert [sorted(a) for a in answers[:-1]] == [["error", "query"]] * 10
    for answer, match in zip(
        answers,
        [
            *("in UTF-8", "JSON in UTF-8", "line 3, 7", "line 4"),
            *("modality='sound'", "nowhere.png", "the model knows", "empty"),
            *("at most 1048576 bytes", "JSON in UTF-8"),
        ],
        strict=False,
    ):
        assert match in answer["error"]
    assert answers[-1]["hits"][0]["id"] == "red.png"


@pytest.mark.parametrize(("line", "code"), [(b'"red"', 0), (b"\xff", 1)])
def test_lines_of_the_standard_input(written, line, code, monkeypatch, capsys):
    content = io.TextIOWrapper(io.BytesIO(b'"blue"\n' + line + b"\n"))
    monkeypatch.setattr(sys, "stdin", content)
    assert main(["search", str(written), "-", "-k", "1"]) == code
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["hits"][0]["id"] == "blue.png"
    assert ("error" in second) == bool(code)


def test_a_kind_is_a_name_where_it_is_the_only_one(written, monkeypatch):
    run = kx.runs.Run.load(written)
    run.kinds = {"photo": "image", "text": "text"}
    assert search._named(run, {"image": "a", "text": "b"}) == {
        "photo": "a", "text": "b",
    }  # fmt: skip
    run.kinds = {"photo": "image", "drawing": "image"}
    assert search._named(run, {"image": "a"}) == {"image": "a"}


def test_after_a_warm_up_nothing_is_compiled(written, data):
    run = kx.runs.Run.load(written)
    run.warm_up()
    known = len(run.model._functions)
    run.search("red")
    run.search(data.parent / "red.png")
    run.search({"image": data.parent / "red.png", "text": "blue"})
    assert len(run.model._functions) == known


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["nowhere", "red"], "with model.keras and index.npz"),
        (["RUN", "-"], None),
        (["RUN", "red", "--in", "speech"], "modality='speech'"),
        (["RUN", "nowhere.wav"], "nowhere.wav"),
        (["RUN", "red", " "], "must hold a word"),
        (["RUN", "DATA/red.wav"], "has image and text. Received: a recording"),
        (["RUN", "DATA/pairs.csv"], "A file must be a picture (JPEG, PNG"),
    ],
)
def test_wrong_searches_are_told_in_one_line(
    arguments, match, written, data, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    arguments = [
        a.replace("RUN", str(written)).replace("DATA", str(data.parent))
        for a in arguments
    ]
    code = main(["search", *arguments])
    output = capsys.readouterr()
    assert (code, output.out) == (int(match is not None), "")
    if match:
        assert output.err.startswith("keras-xmodal: error: ")
        assert len(output.err.splitlines()) == 1
        assert match in output.err
