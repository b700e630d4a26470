import tensorflow as tf

from keras_xmodal.networks import TextPreprocessor
from keras_xmodal.networks.text.detokenizer import Detokenizer


def test_in_a_graph_ids_outside_the_vocabulary_are_unknown():
    detokenize = Detokenizer(TextPreprocessor(vocabulary=["a", "苹", ">"]))
    compiled = tf.function(detokenize, [tf.TensorSpec((None, None), tf.int64)])
    ids = tf.constant([[2, 3, 3, 2], [9, -1, 2, 4], [0, 4, 2, 2]], tf.int64)
    expected = ["a苹苹a", "[UNK] [UNK] a", ""]
    assert [text.decode() for text in compiled(ids).numpy()] == expected
    assert compiled(ids[:0]).shape == (0,)
    assert compiled(ids[:1, :0]).numpy() == [b""]
