"""Any data set of TensorFlow Datasets as pairs of modalities."""

import os
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from keras_xmodal.datasets.csv_rows import NUM_HASHES


def from_tfds(
    name: str,
    modalities: Mapping[str, str | Callable],
    ids: str | Callable | None = None,
    *,
    split: str = "train",
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Load pairs, or more modalities, from TensorFlow Datasets.

    Each modality is the name of a feature, or its path where it is nested:

        kx.datasets.from_tfds(
            "coco_captions",
            {"image": "image", "text": "captions/text"},
            ids="image/id",
        )

    Examples are `({modality: value}, id)`. A feature that is a list of texts,
    such as the captions of a picture, becomes several examples with one id;
    empty texts in it are left out, and two such features are paired by their
    place. Pictures that differ in size are not decoded, but are scalar strings
    of bytes, which can be batched and which `ImagePreprocessor` takes. All
    else is what TensorFlow Datasets gives: recordings and clips of different
    lengths are for `padded_batch`.

    Equal ids say that two examples show the same item: they are positives of
    each other. Integers stay as they are, strings are hashed. Without `ids`,
    the items are numbered from 0 in the order of the split.

    Args:
        name: Name of the data set, with its configuration and version, if any:
            `"wit_kaggle/train_with_extended_features"`. It is downloaded
            unless it is there.
        modalities: Dict `{modality: feature}`. A feature is its name; its
            path, joined with `/`; or a function of the example, the nested
            dict of its features, that returns a tensor.
        ids: A feature, a scalar integer or string; or `None`.
        split: Name of a split or a part of it, such as `"train[:10%]"`.
        data_dir: Folder of the data sets; `None` is that of TensorFlow
            Datasets, `~/tensorflow_datasets`.

    Returns:
        A `tf.data.Dataset`, not batched, in the order of the split. Its
        cardinality is unknown where texts become several examples, and `fit`
        then says at the end of each epoch that the input ran out of data,
        though it goes on; `tf.data.experimental.assert_cardinality` tells it
        a number that you know.

    Raises:
        ImportError: If TensorFlow Datasets is not installed.
        TypeError: If `modalities` is no dict or empty, a feature is neither a
            string nor a function, or an id neither integer nor string.
        ValueError: If there is no such feature, or it is no tensor, or the
            ids or texts have another shape.

    Example:

    ```python
    import tensorflow as tf
    import tensorflow_datasets as tfds

    import keras_xmodal as kx

    colors = tf.constant(["red", "white", "blue"])
    with tfds.testing.mock_data(num_examples=8):  # made up, no download
        data = kx.datasets.from_tfds(
            "oxford_flowers102",
            {
                "image": "image",
                "text": lambda example: colors[example["label"] % 3],
            },
            ids="label",
        )
        for x, ids in data.batch(8):
            print(x["text"].numpy(), ids.numpy())
            print(kx.networks.ImagePreprocessor((32, 32))(x["image"]).shape)
    ```
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "`from_tfds` needs TensorFlow Datasets. Install it with "
            "`pip install keras-xmodal[tfds]`."
        ) from error
    if not isinstance(modalities, Mapping) or not modalities:
        raise TypeError(
            "`modalities` must be a dict {modality: feature}, not empty. "
            f"Received: modalities={modalities!r}"
        )
    wanted = {f"modalities[{key!r}]": f for key, f in modalities.items()}
    if ids is not None:
        wanted["ids"] = ids
    for argument, value in wanted.items():
        if not isinstance(value, str) and not callable(value):
            raise TypeError(
                f"`{argument}` must be the name of a feature or a function "
                f"of the example. Received: {argument}={value!r}"
            )
    builder = tfds.builder(name, data_dir=data_dir)
    features = {
        "/".join(keys): (keys, feature)
        for keys, feature in _leaves(builder.info.features, tfds)
    }
    for argument, value in wanted.items():
        if isinstance(value, str) and value not in features:
            raise ValueError(
                f"`{argument}` must be a feature of {name!r}: "
                f"{sorted(features)}. Received: {argument}={value!r}"
            )
    builder.download_and_prepare()
    data = builder.as_dataset(
        split=split, decoders=_decoders(wanted, features, tfds)
    )

    def pick(feature, example):
        if callable(feature):
            return feature(example)
        for key in features[feature][0]:
            example = example[key]
        return example

    def select(number, example):
        x = {key: pick(feature, example) for key, feature in modalities.items()}
        return x, number if ids is None else _to_id(pick(ids, example))

    data = data.enumerate().map(select, num_parallel_calls=tf.data.AUTOTUNE)
    return _one_text_each(data)


def _leaves(feature, tfds, keys=()):
    """Yield the path and the feature of each tensor of an example."""
    inner = feature
    # A clip is a sequence, too, but one tensor.
    while isinstance(inner, tfds.features.Sequence) and not isinstance(
        inner, tfds.features.Video
    ):
        inner = inner.feature
    if not isinstance(inner, tfds.features.FeaturesDict):
        yield keys, feature
        return
    for key, child in inner.items():
        yield from _leaves(child, tfds, (*keys, key))


def _decoders(wanted, features, tfds):
    """Decode what is asked for only, and no pictures of unknown size."""
    chosen, skipped = {}, {}
    for value in wanted.values():
        if not isinstance(value, str):
            continue
        keys, feature = features[value]
        _put(chosen, keys, True)
        if (
            isinstance(feature, tfds.features.Image)
            and feature.np_dtype == np.uint8
            and None in feature.shape
        ):
            _put(skipped, keys, tfds.decode.SkipDecoding())
    if any(callable(value) for value in wanted.values()):
        return skipped or None  # a function may use any feature
    return tfds.decode.PartialDecoding(chosen, decoders=skipped or None)


def _put(tree, keys, value):
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value


def _to_id(value):
    value = tf.convert_to_tensor(value)
    if value.dtype != tf.string and not value.dtype.is_integer:
        raise TypeError(
            "`ids` must be integers or strings. Received: "
            f"dtype={value.dtype.name}"
        )
    if value.shape.rank != 0:
        raise ValueError(
            "`ids` must be a scalar in each example. Received: "
            f"shape={value.shape}"
        )
    if value.dtype == tf.string:
        return tf.strings.to_hash_bucket_fast(value, NUM_HASHES)
    return tf.cast(value, tf.int64)


def _one_text_each(data):
    several = []
    for modality, spec in data.element_spec[0].items():
        if not isinstance(spec, tf.TensorSpec) or (
            spec.dtype == tf.string and spec.shape.rank not in (0, 1)
        ):
            raise ValueError(
                f"`{modality}` must be a tensor in each example, and texts "
                f"one or a list of them. Received: {spec}"
            )
        if spec.dtype == tf.string and spec.shape.rank == 1:
            several.append(modality)
    if not several:
        return data

    def split(x, item):
        texts = tf.stack([x[modality] for modality in several], axis=1)
        texts = texts[tf.reduce_all(texts != "", axis=1)]

        def one(row):
            return {**x, **dict(zip(several, tf.unstack(row), strict=True))}

        rows = tf.data.Dataset.from_tensor_slices(texts)
        return rows.map(lambda row: (one(row), item))

    return data.flat_map(split)
