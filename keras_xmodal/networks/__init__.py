"""What a modality brings: from raw data to features, and back to data."""

from keras_xmodal.networks.adversarial.conv_discriminator import (
    ConvDiscriminator,
)
from keras_xmodal.networks.adversarial.conv_generator import ConvGenerator
from keras_xmodal.networks.adversarial.conv_translator import ConvTranslator
from keras_xmodal.networks.adversarial.dense_discriminator import (
    DenseDiscriminator,
)
from keras_xmodal.networks.adversarial.dense_generator import DenseGenerator
from keras_xmodal.networks.hub.from_keras_hub import from_keras_hub
from keras_xmodal.networks.hub.keras_hub_image_preprocessor import (
    KerasHubImagePreprocessor,
)
from keras_xmodal.networks.hub.keras_hub_text_preprocessor import (
    KerasHubTextPreprocessor,
)
from keras_xmodal.networks.image.image_decoder import ImageDecoder
from keras_xmodal.networks.image.image_encoder import ImageEncoder
from keras_xmodal.networks.image.image_preprocessor import ImagePreprocessor
from keras_xmodal.networks.speech.griffin_lim import GriffinLim
from keras_xmodal.networks.speech.speech_encoder import SpeechEncoder
from keras_xmodal.networks.speech.speech_preprocessor import SpeechPreprocessor
from keras_xmodal.networks.text.lsa_embeddings import lsa_embeddings
from keras_xmodal.networks.text.text_decoder import TextDecoder
from keras_xmodal.networks.text.text_encoder import TextEncoder
from keras_xmodal.networks.text.text_preprocessor import TextPreprocessor
from keras_xmodal.networks.text.transformer_text_encoder import (
    TransformerTextEncoder,
)
from keras_xmodal.networks.text.word_vectors import word_vectors
from keras_xmodal.networks.video.video_decoder import VideoDecoder
from keras_xmodal.networks.video.video_encoder import VideoEncoder
from keras_xmodal.networks.video.video_preprocessor import VideoPreprocessor

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
    "KerasHubImagePreprocessor",
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
    "from_keras_hub",
    "lsa_embeddings",
    "word_vectors",
]
