"""Waveforms as WAV files."""

import numpy as np
import pytest
import scipy.io.wavfile
import tensorflow as tf

from keras_xmodal.datasets import write_wav
from tests.helpers import assert_close


def test_scipy_reads_what_was_written(tmp_path):
    waveform = np.random.default_rng(0).uniform(-1, 1, 801)
    path = tmp_path / "a.wav"
    write_wav(path, tf.constant(waveform), 16000)
    rate, values = scipy.io.wavfile.read(path)
    assert rate == 16000
    assert values.dtype == np.int16
    assert_close(values / 2**15, waveform, atol=0.6 / 2**15)


def test_what_is_beyond_is_clipped(tmp_path):
    write_wav(str(tmp_path / "a.wav"), [2.0, -3.0, 1.0, 0.0], 8000)
    _, values = scipy.io.wavfile.read(tmp_path / "a.wav")
    assert values.tolist() == [32767, -32768, 32767, 0]


def test_a_file_is_replaced_and_nothing_lies_beside_it(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    write_wav(path, np.zeros(5), 8000)
    assert path.read_bytes()[:4] == b"RIFF"
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OSError, match=r"folder\.wav"):
        write_wav(tmp_path / "folder.wav", np.zeros(5), 8000)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["a.wav", "folder.wav"]


@pytest.mark.parametrize("shape", [(), (0,), (2, 5)])
def test_wrong_shape(shape, tmp_path):
    with pytest.raises(ValueError, match="`waveform` must have shape"):
        write_wav(tmp_path / "a.wav", np.zeros(shape), 8000)


def test_not_finite(tmp_path):
    with pytest.raises(ValueError, match=r"finite\. Received: 1 of 2 samples"):
        write_wav(tmp_path / "a.wav", [0.0, np.nan], 8000)


def test_wrong_rate(tmp_path):
    with pytest.raises(ValueError, match="`sampling_rate` must be positive"):
        write_wav(tmp_path / "a.wav", [0.0], 0)
