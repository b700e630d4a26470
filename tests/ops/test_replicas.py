import pytest
import tensorflow as tf

from keras_xmodal.ops import replicas


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("per_worker", [1, 2])
def test_parts_of_a_batch_go_round_the_workers(workers, per_worker):
    """As `tf.distribute` deals them: to the first replica of each, and on."""
    count = workers * per_worker
    places = {
        (replica // per_worker, replica % per_worker): replicas._place(
            replica, per_worker, count
        )
        for replica in range(count)
    }
    dealt = [(w, local) for local in range(per_worker) for w in range(workers)]
    assert [places[replica] for replica in dealt] == [*range(count)]


def test_one_process_is_its_own_chief():
    strategy = tf.distribute.get_strategy()
    assert replicas.num_workers(strategy) == 1
    assert replicas.is_chief(strategy)
    assert replicas.of_all_workers(strategy, 3).tolist() == [3]
