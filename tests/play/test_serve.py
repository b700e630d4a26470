"""What is served: the page, files of items, nothing else."""

import builtins
import copy
import io
import json
import socket

import pytest
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.play.answers import Answers
from keras_xmodal.play.make_app import make_app
from keras_xmodal_cli import main
from tests.play.conftest import clip, draw, make_vae, play

pytest.importorskip("gradio")


def open_page(run):
    from starlette.testclient import TestClient

    app = make_app(Answers(run))
    return TestClient(app, base_url="http://127.0.0.1:7860")


@pytest.fixture(scope="module")
def client(run):
    with open_page(run) as client:
        yield client


def test_the_page_has_its_parts_and_loads_nothing_from_elsewhere(client):
    response = client.get("/")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'self' data: blob:" in policy
    config = client.get("/config").json()
    labels = [
        component["props"].get("label")
        for component in config["components"]
        if component["type"] == "tabitem"
    ]
    assert labels == ["Search", "Draw", "Map", "About"]
    assert config["analytics_enabled"] is False
    assert config["footer_links"] == []
    assert config["max_file_size"] == 20 * 2**20
    assert "fonts.googleapis" not in client.get("/theme.css").text


def test_pictures_and_recordings_of_items_are_served(client):
    response = client.get("/item/0/3")
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["x-content-type-options"] == "nosniff"
    response = client.get("/item/0/3?small=true")
    assert response.headers["content-type"] == "image/png"
    response = client.get("/item/2/3")
    assert response.headers["content-type"] == "audio/wav"
    assert response.content == play("green circle")


@pytest.mark.parametrize(
    "address",
    [
        "/item/0/12",
        "/item/0/-1",
        "/item/1/0",
        "/item/3/0",
        "/item/image/0",
        "/item/..%2F..%2Fetc/0",
        "/gradio_api/file=/etc/hostname",
        "/gradio_api/file={folder}/model.keras",
        "/gradio_api/file={folder}/items.json",
        "/monitoring",
        "/openapi.json",
    ],
)
def test_nothing_else_is_served(client, run, address):
    response = client.get(address.format(folder=run.path))
    assert response.status_code in (403, 404, 405, 422)
    assert b"modality" not in response.content


def ask(client, file):
    """The answer to a search by a file that is said to be uploaded."""
    return client.post(
        "/gradio_api/run/predict",
        json={
            "data": [{"text": "", "files": [file]}, "automatic", 0.5],
            "fn_index": 0,
            "session_hash": "a",
        },
    )


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"meta": {"_type": "gradio.FileData"}},
        {"meta": {"_type": "gradio.FileData"}, "is_stream": True},
        {"url": "http://127.0.0.1:9/", "meta": {"_type": "gradio.FileData"}},
    ],
)
@pytest.mark.parametrize("address", [False, True])
def test_a_visitor_cannot_name_files_of_the_machine(
    client,
    dropped,
    extra,
    address,
):
    """Nor addresses to load."""
    path = "http://127.0.0.1:9/" if address else dropped["red circle.png"]
    answer = ask(client, {"path": path, **extra})
    assert "red circle" not in answer.text
    assert answer.status_code == 500 or "Nothing asked yet" in answer.text


def test_an_upload_is_a_query(client, dropped):
    with open(dropped["red circle.png"], "rb") as file:
        (path,) = client.post(
            "/gradio_api/upload", files={"files": file}
        ).json()
    answer = ask(client, {"path": path, "meta": {"_type": "gradio.FileData"}})
    assert "red circle" in answer.text
    above = f"{path}/../../../../../../../../..{dropped['red circle.png']}"
    answer = ask(client, {"path": above, "meta": {"_type": "gradio.FileData"}})
    assert "red circle" not in answer.text


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_a_wrong_seed_is_said_on_the_page(client, seed):
    """By the page, where Gradio would say no more than `Error`."""
    config = client.get("/config").json()
    (button,) = (
        component["id"]
        for component in config["components"]
        if component["props"].get("elem_id") == "draw"
    )
    (event,) = (
        event["id"]
        for event in config["dependencies"]
        if [button, "click"] in map(list, event["targets"])
    )
    nothing = {"text": "", "files": []}
    data = [{"text": "red bar", "files": []}, nothing, "image", seed]
    answer = client.post(
        "/gradio_api/run/predict",
        json={"data": data, "fn_index": event, "session_hash": "a"},
    )
    assert answer.status_code == 200
    assert (
        f"must be an integer from 0 to 2,147,483,642. Received: {seed}"
        in (answer.json()["data"][0])
    )


@pytest.mark.parametrize(
    ("objective", "one"),
    [("mmvae", True), ("mmvae_plus", True), ("mvae", False)],
)
def test_the_page_says_what_follows_one_of_several(changed, objective, one):
    changed._generator = make_vae(objective)
    with open_page(changed) as client:
        said = client.get("/config").text
    line = "such as a picture and words, each drawing follows one alone"
    assert (line in said) == one


@pytest.mark.parametrize(
    ("address", "rule"), [("evil.example", 400), ("localhost:7860", 200)]
)
def test_other_names_of_the_machine_are_refused(client, address, rule):
    response = client.get("/map", headers={"Host": address})
    assert response.status_code == rule


def test_the_map_is_served(client, run):
    space = client.get("/map").json()
    assert space == json.loads(json.dumps(Answers(run).points))


@pytest.fixture
def changed(run):
    """A copy of the run, whose items may be changed."""
    items = copy.deepcopy(run.items)
    return kx.runs.Run(
        run.path, run.index, items, run.report, run.kinds, run.thumbnails()
    )


def test_only_media_are_read_of_what_a_run_names(changed, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_text("password")
    changed.items["image"]["0.png"]["file"] = str(secret)
    changed.items["image"]["1.png"]["file"] = str(tmp_path / "gone.png")
    changed.items["speech"]["0.wav"]["file"] = str(secret)
    files = Answers(changed).files
    # The thumbnails remain.
    for row in (0, 1):
        content, kind = files.read(0, row)
        assert kind == "image/png"
        assert b"password" not in content
    assert files.read(2, 0) is None


def test_large_pictures_are_made_small_and_clips_move(changed, tmp_path):
    large = Image.fromarray(draw("red bar")).resize((1200, 300))
    large.save(tmp_path / "large.png")
    (tmp_path / "clip.gif").write_bytes(clip("red bar"))
    changed.items["image"]["0.png"]["file"] = str(tmp_path / "large.png")
    changed.items["image"]["1.png"]["file"] = str(tmp_path / "clip.gif")
    files = Answers(changed).files
    content, _ = files.read(0, 0)
    assert Image.open(io.BytesIO(content)).size == (480, 120)
    assert files.read(0, 1) == (clip("red bar"), "image/gif")


def test_a_port_in_use_is_one_line_of_the_command(run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["play", str(run.path), "--port", port]) == 1
    assert capsys.readouterr().err == (
        "keras-xmodal: error: `port` must be free, or 0 for any that is. "
        f"Received: host='127.0.0.1', port={port}, Address already in use\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"port": 70_000}, ValueError, "`port` must be an integer from 0 to"),
        ({"port": "7860"}, TypeError, "`port` must be an integer"),
        ({"host": 7}, TypeError, "`host` must be a string"),
        ({"host": "256.0.0.1"}, OSError, "one can listen there. Received"),
        ({"host": "192.0.2.1"}, OSError, "one can listen there. Received"),
        ({"open_browser": "yes"}, TypeError, "`open_browser` must be True or"),
    ],
)
def test_bad_arguments(run, arguments, error, match):
    with pytest.raises(error, match=match):
        kx.play.serve(run, **arguments)


def test_a_run_is_needed(run):
    with pytest.raises(
        TypeError, match=r"`run` must be a `kx\.runs\.Run`\. Rec"
    ):
        kx.play.serve(str(run.path))


def test_a_missing_gradio_is_said(run, monkeypatch):
    real = builtins.__import__

    def fail(name, *arguments, **keywords):
        if name == "gradio":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(
        ImportError, match=r"pip install 'keras-xmodal\[play\]'"
    ):
        kx.play.serve(run, port=0)
