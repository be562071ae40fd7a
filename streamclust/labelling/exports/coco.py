"""COCO: images, categories, and an annotation of each whole image [1]_.

.. [1] Lin, T.-Y. et al. (2014). Microsoft COCO: common objects in context. ECCV.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from streamclust.labelling.exports.base import Export, Exported, JSONItems, Write, as_json
from streamclust.labelling.stored_labels import RowBatch


class COCO(Export):
    """Boxes are those of the images; of an image whose size is not known it is empty, as readers
    of COCO take it for granted that there is one."""

    sizes = True

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        classes, of_cluster = rows.clustering.classes()
        categories = [
            {"id": number, "name": name, "supercategory": rows.clustering.set_name}
            for number, name in enumerate(classes, 1)
        ]
        about = {"description": f"{rows.title}, by streamclust"}
        with (
            open(path, "w", encoding="utf-8") as file,
            TemporaryFile("w+", encoding="utf-8", dir=path.parent) as annotations,
        ):
            file.write(f'{{"info": {as_json(about)},\n"licenses": [],\n')
            file.write(f'"categories": {as_json(categories)},\n"images": [')
            images, labels = JSONItems(file), JSONItems(annotations)

            def write(batch: RowBatch) -> None:
                for place, name, label, confidence in rows.found(batch):
                    row, (w, h) = batch.start + place, batch.sizes[place].tolist()
                    size = {"width": w, "height": h} if w else {}
                    images.add({"id": row, "file_name": name, **size})
                    if label >= 0:
                        category = int(of_cluster[label]) + 1
                        ids = {"id": labels.n_items + 1, "image_id": row, "category_id": category}
                        box = {"bbox": [0, 0, w, h], "area": w * h, "iscrowd": 0}
                        outline = {"segmentation": [[0, 0, w, 0, w, h, 0, h]]}
                        labels.add({**ids, **box, **outline, "score": round(confidence, 6)})

            yield write
            file.write('],\n"annotations": [')
            annotations.seek(0)
            shutil.copyfileobj(annotations, file)
            file.write("]}\n")
