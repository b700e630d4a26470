"""What a modality brings: from raw data to features, and back to data."""

from keras_xmodal.networks.conv_discriminator import ConvDiscriminator
from keras_xmodal.networks.conv_generator import ConvGenerator
from keras_xmodal.networks.conv_translator import ConvTranslator
from keras_xmodal.networks.dense_discriminator import DenseDiscriminator
from keras_xmodal.networks.dense_generator import DenseGenerator
from keras_xmodal.networks.image_decoder import ImageDecoder
from keras_xmodal.networks.image_encoder import ImageEncoder
from keras_xmodal.networks.image_preprocessor import ImagePreprocessor
from keras_xmodal.networks.lsa_embeddings import lsa_embeddings
from keras_xmodal.networks.text_decoder import TextDecoder
from keras_xmodal.networks.text_encoder import TextEncoder
from keras_xmodal.networks.text_preprocessor import TextPreprocessor
from keras_xmodal.networks.transformer_text_encoder import (
    TransformerTextEncoder,
)
from keras_xmodal.networks.word_vectors import word_vectors

__all__ = [
    "ConvDiscriminator",
    "ConvGenerator",
    "ConvTranslator",
    "DenseDiscriminator",
    "DenseGenerator",
    "ImageDecoder",
    "ImageEncoder",
    "ImagePreprocessor",
    "TextDecoder",
    "TextEncoder",
    "TextPreprocessor",
    "TransformerTextEncoder",
    "lsa_embeddings",
    "word_vectors",
]
