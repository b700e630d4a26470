"""Embedding a corpus with engines for many machines: Ray and Apache Beam."""

from keras_xmodal.pipelines.batch_embedder import BatchEmbedder
from keras_xmodal.pipelines.beam_model_handler import beam_model_handler
from keras_xmodal.pipelines.embed_with_beam import embed_with_beam
from keras_xmodal.pipelines.embed_with_ray import embed_with_ray

__all__ = [
    "BatchEmbedder",
    "beam_model_handler",
    "embed_with_beam",
    "embed_with_ray",
]
