import subprocess
import sys

import numpy as np
import pytest

from keras_xmodal.datasets.collection import emoji
from keras_xmodal.datasets.load import _DATA_SETS, read_examples


@pytest.mark.parametrize(
    ("config", "modalities"),
    [
        ("emoji", ("image", "text")),
        ("emoji/speech", ("image", "text", "speech")),
    ],
)
def test_tfds_gives_the_same_examples(config, modalities, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    import keras_xmodal.datasets.tfds  # noqa: F401

    splits = tfds.load(config, data_dir=tmp_path)
    assert set(splits) == set(emoji.SPLITS)
    for split, dataset in splits.items():
        expected = read_examples("emoji", split, modalities)
        assert dataset.element_spec == expected.element_spec
        assert dataset.cardinality() == expected.cardinality()
        for ours, theirs in zip(
            expected.batch(1000), dataset.batch(1000), strict=True
        ):
            for field, rows in ours.items():
                np.testing.assert_array_equal(rows, theirs[field])
    # TFDS joins splits with the same syntax, and knows what is supervised.
    x, ids = next(
        iter(
            tfds.load(
                config,
                split="train+test_style",
                as_supervised=True,
                data_dir=tmp_path,
            )
        )
    )
    assert set(x) == set(modalities)
    assert ids.dtype == "int64"


@pytest.mark.parametrize(
    "config",
    [
        "captioned_moving_mnist",
        "emoji_large",
        "emoji_large/multilingual",
        "mnist_fashion",
        "poly_mnist",
        "spoken_prompts",
        "spoken_prompts/multilingual",
    ],
)
def test_tfds_reads_what_was_fetched(config, fetched, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    import keras_xmodal.datasets.tfds  # noqa: F401

    name, _, kind = config.removeprefix("captioned_").partition("/")
    languages = _DATA_SETS[name].LANGUAGES if kind else None
    builder = tfds.builder(config, data_dir=tmp_path)
    download = tfds.download.DownloadConfig(manual_dir=str(fetched))
    builder.download_and_prepare(download_config=download)
    assert set(builder.info.splits) == set(_DATA_SETS[name].SPLITS)
    for split in builder.info.splits:
        expected = read_examples(
            name, split, languages=languages, data_dir=fetched
        )
        dataset = builder.as_dataset(split=split)
        assert dataset.element_spec == expected.element_spec
        for ours, theirs in zip(
            expected.batch(1000), dataset.batch(1000), strict=True
        ):
            for field, rows in ours.items():
                np.testing.assert_array_equal(rows, theirs[field])
    split = list(builder.info.splits)[-1]
    x, ids = next(iter(builder.as_dataset(split=split, as_supervised=True)))
    (example,) = read_examples(
        name, split, languages=languages, data_dir=fetched
    ).take(1)
    assert ids == example["id"]
    assert set(x) == set(_DATA_SETS[name].DEFAULT_MODALITIES)
    for modality, value in x.items():
        np.testing.assert_array_equal(value, example[modality])


@pytest.mark.large
def test_names_that_tfds_does_not_have():
    """Its own data sets register when they are first asked for."""
    pytest.importorskip("tensorflow_datasets")
    code = (
        "import tensorflow_datasets.image, tensorflow_datasets.video\n"
        "import tensorflow_datasets as tfds\n"
        "names = set(tfds.list_builders(with_community_datasets=False))\n"
        "import keras_xmodal.datasets.tfds as builders\n"
        "for name in builders.__all__:\n"
        "    assert getattr(builders, name).name not in names, name"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


def test_tfds_says_how_to_fetch_the_files(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    import keras_xmodal.datasets.tfds  # noqa: F401

    builder = tfds.builder("poly_mnist", data_dir=tmp_path)
    with pytest.raises(AssertionError, match=r"keras_xmodal.datasets.fetch"):
        builder.download_and_prepare()


def test_without_tfds_the_error_names_the_extra(monkeypatch):
    name = "keras_xmodal.datasets.tfds"
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError, match=r"pip install keras-xmodal\[tfds\]"):
        __import__(name)
