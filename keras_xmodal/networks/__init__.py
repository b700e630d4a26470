"""What a modality brings: from raw data to features, and back to data."""

from keras_xmodal.networks.conv_discriminator import ConvDiscriminator
from keras_xmodal.networks.conv_generator import ConvGenerator
from keras_xmodal.networks.conv_translator import ConvTranslator
from keras_xmodal.networks.decode_wav import decode_wav
from keras_xmodal.networks.dense_discriminator import DenseDiscriminator
from keras_xmodal.networks.dense_generator import DenseGenerator
from keras_xmodal.networks.from_keras_hub import from_keras_hub
from keras_xmodal.networks.griffin_lim import GriffinLim
from keras_xmodal.networks.image_decoder import ImageDecoder
from keras_xmodal.networks.image_encoder import ImageEncoder
from keras_xmodal.networks.image_preprocessor import ImagePreprocessor
from keras_xmodal.networks.keras_hub_text_preprocessor import (
    KerasHubTextPreprocessor,
)
from keras_xmodal.networks.lsa_embeddings import lsa_embeddings
from keras_xmodal.networks.speech_encoder import SpeechEncoder
from keras_xmodal.networks.speech_preprocessor import SpeechPreprocessor
from keras_xmodal.networks.text_decoder import TextDecoder
from keras_xmodal.networks.text_encoder import TextEncoder
from keras_xmodal.networks.text_preprocessor import TextPreprocessor
from keras_xmodal.networks.transformer_text_encoder import (
    TransformerTextEncoder,
)
from keras_xmodal.networks.video_decoder import VideoDecoder
from keras_xmodal.networks.video_encoder import VideoEncoder
from keras_xmodal.networks.video_preprocessor import VideoPreprocessor
from keras_xmodal.networks.word_vectors import word_vectors

__all__ = [
    "ConvDiscriminator",
    "ConvGenerator",
    "ConvTranslator",
    "DenseDiscriminator",
    "DenseGenerator",
    "GriffinLim",
    "ImageDecoder",
    "ImageEncoder",
    "ImagePreprocessor",
    "KerasHubTextPreprocessor",
    "SpeechEncoder",
    "SpeechPreprocessor",
    "TextDecoder",
    "TextEncoder",
    "TextPreprocessor",
    "TransformerTextEncoder",
    "VideoDecoder",
    "VideoEncoder",
    "VideoPreprocessor",
    "decode_wav",
    "from_keras_hub",
    "lsa_embeddings",
    "word_vectors",
]
