"""Settings of the whole suite."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker has one core: threads of TensorFlow and of NumPy's linear
    # algebra would wait for those of the other workers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
