"""What an exported model serves with an index."""

import numpy as np

from keras_xmodal import checks
from keras_xmodal.models.endpoint import Endpoint, named
from keras_xmodal.retrieval.graph_search import GraphSearch
from keras_xmodal.retrieval.queries import unit_embeddings
from keras_xmodal.retrieval.served_ids import served_ids


def endpoints(index, model, k):
    """Endpoints from each modality that a model encodes to each of an index."""
    checks.serving_model("model", model)
    embeds = [e for e in model.endpoints() if e.embedding is not None]
    if not embeds:
        raise ValueError(
            "`model` must encode what an index searches. "
            f"Received: model of type {type(model).__name__}"
        )
    found = []
    for modality, rows in index._rows.items():
        search, known = GraphSearch(rows, k), _KnownRows(rows)
        found += [
            _endpoint(embed, search, known, modality, index) for embed in embeds
        ]
    return found


def _endpoint(embed, search, known, modality, index):
    (query,) = embed.modalities

    def encode(model, x):
        return embed.compute(model, x)[embed.embedding]

    def compute(model, x):
        ids, scores = search(encode(model, x))
        return {"ids": ids, "scores": scores}

    def score(model, x, outputs):
        """Scores by the index, beside those received and those of the ids."""
        queries = np.asarray(encode(model, x), "float32")
        _, expected = index.search(queries, search.k, modality)
        cosines = known.cosines(queries, outputs["ids"])
        return (
            {"scores": expected, "ids": expected},
            {"scores": outputs["scores"], "ids": cosines},
        )

    return Endpoint(
        f"{named('search', query)}_to_{modality}",
        compute,
        embed.modalities,
        score=score,
        labels=("ids",),
        resources=(search,),
    )


class _KnownRows:
    """Rows by the id that is served."""

    def __init__(self, rows):
        ids = served_ids(np.unique(rows.ids))
        self.codes = {item: code for code, item in enumerate(ids.tolist())}
        codes = rows.codes
        self.order = np.argsort(codes, kind="stable")
        self.starts = np.searchsorted(
            codes[self.order], np.arange(len(ids) + 1)
        )
        self.embeddings = rows.embeddings

    def cosines(self, queries, ids):
        """Cosine of the nearest row of each id, -2 where it has no place."""
        queries = unit_embeddings(None, queries, "queries", "queries")
        cosines = np.full(ids.shape, -2, "float32")
        for place, query in enumerate(queries["queries"]):
            found = [self.codes.get(item) for item in ids[place].tolist()]
            for column, code in enumerate(found):
                if code is not None and code not in found[:column]:
                    rows = slice(*self.starts[code : code + 2])
                    rows = self.embeddings[self.order[rows]]
                    cosines[place, column] = (rows @ query).max()
        return cosines
