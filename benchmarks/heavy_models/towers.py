"""One tower of a model: as a file, and trained to be like another."""

import json
import shutil

import keras
import numpy as np

import keras_xmodal as kx
from benchmarks.settings import BATCH_SIZE
from keras_xmodal.recipes.training import make_optimizer

INT8 = ", int8"
NUM_REPRESENTATIVE = 256


def alone(model, modality):
    """A model of one of the modalities."""
    single = kx.EmbeddingModel(
        encoders={modality: model.encoders[modality]},
        embedding_dim=model.embedding_dim,
        preprocessors={modality: model.preprocessors[modality]},
    )
    single.build({modality: model.built_input(modality)[0]})
    single.projections[modality].set_weights(
        model.projections[modality].get_weights()
    )
    return single


def distil(tower, x, targets, loss, epochs, learning_rate, batch_size=256):
    """Train a tower to give the embeddings that another gives."""
    (count,) = {len(value) for value in targets.values()}
    steps = epochs * -(-count // batch_size)
    tower.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                0.0,
                steps - steps // 20,
                warmup_target=learning_rate,
                warmup_steps=steps // 20,
            )
        ),
        loss,
        jit_compile=False,
    )
    tower.fit(
        tower.preprocess(x),
        targets,
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
    )


def train_pairs(model, data, epochs, learning_rate):
    """Train a model by pairs, without a teacher."""
    model.compile(
        make_optimizer(learning_rate, epochs * int(data.cardinality())),
        loss=kx.losses.InfoNCE(),
        jit_compile=False,
    )
    model.fit(data, epochs=epochs, verbose=0)


class Files:
    """LiteRT files of one tower after the other, and what they recall.

    Args:
        folder: Folder for the files.
        modality: Modality of the towers.
        recall: Function of a function from raw examples to embeddings, to a
            dict of recalls.
        representative: Raw examples, for ranges of 8 bits.
    """

    def __init__(self, folder, modality, recall, representative):
        self.folder, self.modality = folder, modality
        self.recall = recall
        chosen = np.random.default_rng(0).permutation(len(representative))
        self.representative = representative[chosen[:NUM_REPRESENTATIVE]]
        self.rows = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name, tower, quantizations=(None, "int8")):
        """Write the files of a tower, and ask them."""
        for quantization in quantizations:
            title = name + (INT8 if quantization else "")
            stem = title.replace(", ", "_").replace(" ", "_")
            place = self.folder / "export"
            shutil.rmtree(place, ignore_errors=True)
            given = {self.modality: self.representative}
            kx.export.litert(
                tower,
                place,
                quantization=quantization,
                representative=given if quantization else None,
            )
            file = self.folder / f"{stem}.tflite"
            shutil.move(place / f"{self.modality}.tflite", file)
            shutil.rmtree(place)
            x = tower.preprocess({self.modality: self.representative[:32]})
            np.save(file.with_suffix(".npy"), np.asarray(x[self.modality]))
            self.rows.append(
                {
                    "tower": self.modality,
                    "model": title,
                    "file": file.name,
                    "parameters": tower.count_params(),
                    "bytes": file.stat().st_size,
                    "recall": self.recall(_reader(file, tower)),
                }
            )
            print(json.dumps(self.rows[-1]), flush=True)


def _reader(file, tower):
    """Raw examples to embeddings, by a file."""
    from ai_edge_litert.interpreter import Interpreter

    (modality,) = tower.modalities
    interpreter = Interpreter(str(file))
    run = interpreter.get_signature_runner(f"embed_{modality}")

    def embed(x):
        x = np.asarray(tower.preprocess({modality: x})[modality])
        return np.concatenate(
            [
                run(**{modality: x[i : i + BATCH_SIZE]})["embedding"]
                for i in range(0, len(x), BATCH_SIZE)
            ]
        )

    return embed


def recalls(sides, ids):
    """R@1 and R@5 both ways, and chance."""
    result = {}
    names = list(sides)
    for query, candidate in (names, names[::-1]):
        report = kx.metrics.retrieval_report(
            sides[query], sides[candidate], ids[query], ids[candidate]
        )
        result[f"{query} to {candidate}"] = {
            key: report[key] for key in ("R@1", "R@5", "chance_R@1")
        }
    return result
