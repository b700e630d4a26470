"""Where Fashion-MNIST comes from: the Debian package dataset-fashion-mnist."""

from keras_xmodal.datasets.fetching.commands import gunzip
from keras_xmodal.datasets.fetching.debian_package import DebianPackage

FOLDER = "fashion_mnist"
PACKAGES = (
    DebianPackage(
        "dataset-fashion-mnist", ("usr/share/datasets/fashion-mnist",)
    ),
)
SHA256 = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}


def prepare(packages: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """Make the four IDX files."""
    (package,) = PACKAGES
    (start,) = package.paths
    files = packages[package.name]
    return {name: gunzip(files[f"{start}/{name}.gz"]) for name in SHA256}
