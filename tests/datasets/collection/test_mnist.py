import shutil

import numpy as np
import pytest

from keras_xmodal.datasets.collection import mnist
from keras_xmodal.datasets.fetching import folder
from tests.datasets.conftest import numbers, write_idx

LABELS = "mnist/t10k-labels-idx1-ubyte"
IMAGES = "mnist/t10k-images-idx3-ubyte"


@pytest.fixture
def copy(data_dir, tmp_path):
    """A copy of the files to damage."""
    shutil.copytree(data_dir, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("folder", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_read_gives_the_files_of_the_split(folder, split, data_dir, labels):
    images, classes = mnist.read(folder, split, data_dir)
    np.testing.assert_array_equal(classes, labels[folder, split])
    assert classes.dtype == np.int64
    assert images.shape == (len(classes), 28, 28, 1)
    np.testing.assert_array_equal(numbers(images), range(len(classes)))


def test_read_idx_has_axes_in_order(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_idx(tmp_path / "file", array)
    np.testing.assert_array_equal(
        mnist.read_idx(tmp_path / "file", num_axes=3), array
    )


def test_the_default_folder_is_in_the_home(data_dir, monkeypatch):
    monkeypatch.setattr(folder, "DATA_DIR", data_dir)
    _, expected = mnist.read("mnist", "test", data_dir)
    _, classes = mnist.read("mnist", "test")
    np.testing.assert_array_equal(classes, expected)
    # A string with ~ is a path too.
    monkeypatch.setenv("HOME", str(data_dir.parent))
    _, classes = mnist.read("mnist", "test", f"~/{data_dir.name}")
    np.testing.assert_array_equal(classes, expected)


def test_a_missing_file_is_named_with_the_command(copy):
    (copy / LABELS).unlink()
    mnist.read("mnist", "train", copy)
    with pytest.raises(
        FileNotFoundError,
        match=rf"fetch\('mnist_fashion', '{copy}'\)`.*without \['{LABELS}'\]",
    ):
        mnist.read("mnist", "test", copy)


def test_a_data_dir_that_is_no_path():
    with pytest.raises(TypeError, match=r"`data_dir` must be a str.*=3"):
        mnist.read("mnist", "test", 3)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda content: b"\x1f\x8b" + content, "begin with 00 00 08 03"),
        (lambda content: content[:3], "begin with 00 00 08 03"),
        (lambda content: b"\0\0\x08\x01" + content[4:], "'00 00 08 01'"),
        (lambda content: b"\0\0\x0d\x03" + content[4:], "'00 00 0d 03'"),
        (lambda content: b"", "begin with 00 00 08 03"),
        (lambda content: content[:10], "as many bytes"),
        (lambda content: content[:-1], "47056 for the shape .60, 28, 28.*4705"),
        (lambda content: content + b"\0", "as many bytes"),
    ],
)
def test_a_damaged_file(damage, match, copy):
    path = copy / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=match) as caught:
        mnist.read("mnist", "test", copy)
    assert str(path) in str(caught.value)


def test_files_that_do_not_fit_each_other(copy):
    write_idx(copy / LABELS, np.zeros(61))
    with pytest.raises(ValueError, match=r"as many labels.*\(61,\)"):
        mnist.read("mnist", "test", copy)
    write_idx(copy / LABELS, np.zeros(60))
    write_idx(copy / IMAGES, np.zeros((60, 28, 27)))
    with pytest.raises(ValueError, match=r"28 x 28 pixels.*\(60, 28, 27\)"):
        mnist.read("mnist", "test", copy)
    write_idx(copy / LABELS, np.zeros(0))
    write_idx(copy / IMAGES, np.zeros((0, 28, 28)))
    with pytest.raises(ValueError, match=r"\(0, 28, 28\)"):
        mnist.read("mnist", "test", copy)


def test_a_label_that_is_no_class(copy):
    write_idx(copy / LABELS, np.full(60, 10))
    with pytest.raises(ValueError, match=r"less than 10\. Received: 10"):
        mnist.read("mnist", "test", copy)


def test_partners_share_the_class_and_are_used_evenly():
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat([0, 1, 2], [7, 20, 3]))
    others = generator.permutation(np.repeat([0, 1, 2], [7, 6, 9]))
    found = mnist.partners(labels, others, np.random.default_rng(1))
    np.testing.assert_array_equal(others[found], labels)
    uses = np.bincount(found, minlength=len(others))
    assert set(uses[others == 0]) == {1}
    assert set(uses[others == 1]) == {3, 4}
    assert sorted(uses[others == 2]) == [0] * 6 + [1] * 3
    again = mnist.partners(labels, others, np.random.default_rng(1))
    np.testing.assert_array_equal(found, again)
    other = mnist.partners(labels, others, np.random.default_rng(2))
    assert (found != other).any()


def test_partners_need_every_class():
    with pytest.raises(ValueError, match="none of class 4"):
        mnist.partners(
            np.array([1, 4]), np.array([1, 2]), np.random.default_rng(0)
        )


def test_circles_are_different_items_of_one_class():
    labels = np.random.default_rng(0).integers(3, size=40)
    groups = mnist.circles(labels, 4, np.random.default_rng(1))
    np.testing.assert_array_equal(groups[:, 0], range(40))
    for row, label in zip(groups, labels, strict=True):
        assert set(labels[row]) == {label}
        assert len(set(row.tolist())) == 4
    for column in groups.T:
        np.testing.assert_array_equal(np.sort(column), range(40))
    other = mnist.circles(labels, 4, np.random.default_rng(2))
    assert (groups != other).any()


def test_circles_of_rare_classes_repeat():
    groups = mnist.circles(np.array([3, 3, 5]), 3, np.random.default_rng(0))
    np.testing.assert_array_equal(groups, [[0, 1, 0], [1, 0, 1], [2, 2, 2]])
