"""How many of the true neighbours an approximate index finds."""

from collections.abc import Mapping

import numpy as np

from keras_xmodal import checks
from keras_xmodal.reports import Report
from keras_xmodal.retrieval.exact_index import ExactIndex


def recall_report(
    index: ExactIndex,
    queries: Mapping[str, np.ndarray],
    k: int = 10,
    modality: str | None = None,
) -> dict[str, float]:
    """Compare the searches of an index with exact ones of the same rows.

    Give queries of the modality that is searched, and of those that you will
    ask in: queries of another modality lie where no row of the index does, and
    a graph or an inverted file that finds 95% of the neighbours of pictures may
    find 80% of those of texts. A larger `rescore`, `expansion_search`,
    `efSearch` or `nprobe` finds more.

    Args:
        index: `FaissIndex` or `UsearchIndex` that holds rows.
        queries: Dict `{modality: embeddings}`, each of shape `(queries, dim)`,
            that are not rows of the index.
        k: Positive integer, ids that are searched for.
        modality: Name of the modality to search. It may be left out if the
            index holds a single one.

    Returns:
        Dict of Python numbers: `"recall@{k}_{modality}"`, the share of the
        first `k` ids whose cosine is among the `k` largest, by the modality of
        the queries, and `"num_rows"`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If shapes do not fit, or the index is empty.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        index = kx.retrieval.UsearchIndex(dtype="i8")
        index.add(np.random.normal(size=(1000, 16)), modality="image")
        report = kx.retrieval.recall_report(
            index,
            {
                "image": np.random.normal(size=(50, 16)),
                "text": np.random.normal(size=(50, 16)) + 0.5,
            },
        )
        print(report)
        ```

    Reference:
        - Chen et al., 2024, RoarGraph, https://arxiv.org/abs/2408.08933
    """
    rule = "an index, such as `kx.retrieval.UsearchIndex`"
    index = checks.instance_of("index", index, ExactIndex, rule)
    k = checks.positive_integer("k", k)
    rule = "a dict {modality: embeddings}, not empty"
    checks.instance_of("queries", queries, Mapping, rule)
    if not queries:
        raise ValueError(f"`queries` must be {rule}. Received: {queries}")
    exact = ExactIndex()
    exact._rows = index._rows
    report = {}
    for name, embeddings in queries.items():
        _, scores = index.search(embeddings, k, modality)
        _, true = exact.search(embeddings, k, modality)
        found = scores >= true[:, -1:]
        report[f"recall@{k}_{name}"] = float(found.mean())
    name = modality or index.modalities[0]
    return Report({**report, "num_rows": index.sizes[name]})
