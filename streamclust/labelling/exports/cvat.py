"""CVAT for images 1.1: XML with a tag of each image."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from streamclust.labelling.exports.base import Export, Exported, Write
from streamclust.labelling.stored_labels import RowBatch

# What XML cannot hold, however it is written.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
<version>1.1</version>
<meta><task><name>{name}</name><size>{size}</size><mode>annotation</mode><labels>
"""
_LABEL = """<label><name>{name}</name><type>tag</type><attributes><attribute>\
<name>confidence</name><mutable>False</mutable><input_type>text</input_type>\
<default_value></default_value><values></values></attribute></attributes></label>
"""


class CVAT(Export):
    """Labels of the type tag, each with the confidence as an attribute."""

    ending = ".xml"
    sizes = True

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        classes, of_cluster = rows.clustering.classes()
        names = [quoteattr(_text(name)) for name in classes]

        def write(batch: RowBatch) -> None:
            for place, found, label, confidence in rows.found(batch):
                name, (width, height) = quoteattr(_text(found)), batch.sizes[place]
                size = f'width="{width}" height="{height}"'
                file.write(f'<image id="{batch.start + place}" name={name} {size}>')
                if label >= 0:
                    attribute = f'<attribute name="confidence">{confidence:.6g}</attribute>'
                    tag = f'<tag label={names[of_cluster[label]]} source="auto">'
                    file.write(f"{tag}{attribute}</tag>")
                file.write("</image>\n")

        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(_HEAD.format(name=escape(_text(rows.title)), size=rows.n_rows))
            file.writelines(_LABEL.format(name=escape(_text(name))) for name in classes)
            file.write("</labels></task></meta>\n")
            yield write
            file.write("</annotations>\n")


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
