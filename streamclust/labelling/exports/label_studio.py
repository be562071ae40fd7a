"""Label Studio: a task of each image, with the class as a prediction to go on from."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from streamclust.labelling.exports.base import Export, Exported, JSONItems, Write
from streamclust.labelling.stored_labels import RowBatch

# How a project with local storage addresses a file below its root.
_LOCAL = "/data/local-files/?d="


class LabelStudio(Export):
    """For a labelling interface with ``Choices`` that are called ``choice`` of an ``Image`` that is
    called ``image``, as its template of image classification has them."""

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        classes, of_cluster = rows.clustering.classes()
        choice = {"from_name": "choice", "to_name": "image", "type": "choices"}
        with open(path, "w", encoding="utf-8") as file:
            file.write("[")
            tasks = JSONItems(file)

            def write(batch: RowBatch) -> None:
                for place, name, label, confidence in rows.found(batch):
                    score = float(batch.score[place])
                    data = {
                        "image": _LOCAL + quote(name),
                        "row": batch.start + place,
                        "path": batch.paths[place],
                        "outlier": bool(batch.outlier[place]),
                        "outlier_score": round(score, 6) if math.isfinite(score) else None,
                    }
                    predictions = []
                    if label >= 0:
                        value = {"choices": [classes[of_cluster[label]]]}
                        about = {"model_version": rows.title, "score": round(confidence, 6)}
                        predictions.append({**about, "result": [{**choice, "value": value}]})
                    tasks.add({"data": data, "predictions": predictions})

            yield write
            file.write("\n]\n")
