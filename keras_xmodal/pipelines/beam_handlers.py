"""What Beam's `RunInference` runs; importing this needs Apache Beam."""

import numpy as np
from apache_beam.ml.inference import base

from keras_xmodal import checks
from keras_xmodal.pipelines.engines import ShardWriter
from keras_xmodal.retrieval.corpus.embedders import open_embedder


class EmbeddingHandler(base.ModelHandler):
    """Raw examples of a modality to embeddings.

    Args:
        path: Path of a model.
        modality: Name of the modality.
        batch_size: Integer, examples embedded at once, at most.
    """

    def __init__(self, path, modality, batch_size):
        super().__init__(max_batch_size=batch_size)
        self._path, self._modality = path, modality

    def load_model(self):
        """Load it once for a process."""
        embedder = open_embedder(self._path)
        checks.one_of("modality", self._modality, embedder.modalities)
        return embedder

    def run_inference(self, batch, model, inference_args=None):
        """Embed a list of examples."""
        is_array = isinstance(batch[0], np.ndarray)
        examples = np.stack(batch) if is_array else list(batch)
        embeddings = model.embed(self._modality, examples)
        return [
            base.PredictionResult(example, embedding, self._path)
            for example, embedding in zip(batch, embeddings, strict=True)
        ]


class ShardHandler(base.ModelHandler):
    """Numbers of shards of a corpus, which are written, to those of rows.

    Args:
        work: `Work`.
    """

    def __init__(self, work):
        super().__init__(max_batch_size=1)
        self._work = work

    def load_model(self):
        """Load the model of the corpus once for a process."""
        return ShardWriter(self._work)

    def run_inference(self, batch, model, inference_args=None):
        """Write shards."""
        return [model.write(number) for number in batch]
