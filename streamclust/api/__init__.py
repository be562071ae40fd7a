"""What streamclust does, as functions: one for each command."""

from streamclust.api.folders import info, init, open
from streamclust.api.labelling import assign, export, label, update
from streamclust.api.running import cluster, demo, ingest, measure, mix, outliers, plan, reduce, run
from streamclust.api.seeing import compare, describe, evaluate, layout, report
from streamclust.results import Case

__all__ = [
    "Case",
    "assign",
    "cluster",
    "compare",
    "demo",
    "describe",
    "evaluate",
    "export",
    "info",
    "ingest",
    "init",
    "label",
    "layout",
    "measure",
    "mix",
    "open",
    "outliers",
    "plan",
    "reduce",
    "report",
    "run",
    "update",
]
