"""Files of arrays, such as `np.savez` writes, whose arrays can be mapped.

Each array begins at a multiple of 64 bytes, behind an extra field of its
entry in the ZIP file, so that it can be used where it lies.
"""

import math
import struct
import zipfile

import numpy as np

from keras_xmodal.ops.products import aligned_empty

_ALIGNMENT = 64
_EXTRA = 0xD935  # of padding, as Android's archives call it
_DATE = (1980, 1, 1, 0, 0, 0)
_SIZES = 30 + 20 + 4  # of an entry's header, size in 64 bits and extra field
_HEADER = struct.Struct("<26xHH")  # of an entry: sizes of its name and extra
_BLOCK = 16384  # rows that are written at once
_BYTES = 2**23  # that are read at once


def write(path, arrays):
    """Write arrays by their names, also those that come in blocks of rows."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", _DATE)
            start = archive.fp.tell() + len(entry.filename) + _SIZES
            size = -start % _ALIGNMENT
            entry.extra = struct.pack("<HH", _EXTRA, size) + bytes(size)
            with archive.open(entry, "w", force_zip64=True) as file:
                if not isinstance(array, list):
                    np.lib.format.write_array(file, array, allow_pickle=False)
                    continue
                header = {
                    "descr": np.lib.format.dtype_to_descr(array[0].dtype),
                    "fortran_order": False,
                    "shape": (sum(map(len, array)), *array[0].shape[1:]),
                }
                np.lib.format.write_array_header_1_0(file, header)
                for block in array:
                    for first in range(0, len(block), _BLOCK):
                        file.write(block[first : first + _BLOCK].data)


class Reader:
    """Arrays of an open file, which is not trusted.

    Raises:
        ValueError: If the file is none, or one that is compressed.
    """

    def __init__(self, file):
        if not zipfile.is_zipfile(file):
            raise ValueError("it is not an npz file")
        self._file = file
        self._archive = zipfile.ZipFile(file)
        if any(part.compress_type for part in self._archive.infolist()):
            # It could be of any size once decompressed.
            raise ValueError("it is compressed, as no index is")

    def __enter__(self):
        """The reader."""
        return self

    def __exit__(self, *error):
        """Close the archive, not the file."""
        self._archive.close()

    def __contains__(self, name):
        """Whether there is an array of this name."""
        return f"{name}.npy" in self._archive.namelist()

    def __getitem__(self, name):
        """An array, read."""
        with self._archive.open(f"{name}.npy") as part:
            array = np.lib.format.read_array(part, allow_pickle=False)
            if part.read(1):
                raise ValueError(f"{name} is longer than it says")
        return array

    def embeddings(self, name):
        """A float32 array, read."""
        with self._archive.open(f"{name}.npy") as part:
            array = aligned_empty(self._shape(name, part))
            memory = memoryview(array.reshape(-1).view("uint8"))
            for start in range(0, len(memory), _BYTES):
                content = part.read(_BYTES)
                memory[start : start + len(content)] = content
            part.read(1)  # The end, where the checksum is compared.
        return array

    def mapped_embeddings(self, name):
        """A float32 array where it lies; None if it lies at an odd place."""
        entry = self._archive.getinfo(f"{name}.npy")
        with self._archive.open(entry) as part:
            shape = self._shape(name, part)
            start = self._start(entry) + part.tell()
        if start % _ALIGNMENT:
            return None
        # Pages that are written to are copied; the file stays as it is.
        mapped = np.memmap(self._file, "float32", "c", start, shape)
        return mapped.view(np.ndarray)

    def _shape(self, name, part):
        """Read the header of a float32 array."""
        if np.lib.format.read_magic(part) != (1, 0):
            raise ValueError(f"{name} is not of version 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(part)
        if dtype != np.float32 or fortran:
            raise ValueError(f"it has embeddings of dtype {dtype}")
        size = self._archive.getinfo(f"{name}.npy").file_size
        if part.tell() + 4 * math.prod(shape) != size:
            raise ValueError(f"{name} is not as long as it says")
        return shape

    def _start(self, entry):
        """Place of the content of an entry."""
        self._file.seek(entry.header_offset)
        sizes = _HEADER.unpack(self._file.read(_HEADER.size))
        return entry.header_offset + _HEADER.size + sum(sizes)
