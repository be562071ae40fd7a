"""Sets on equal footing, however many threads BLAS has."""

import numpy as np
from cases import write_case
from threadpoolctl import threadpool_limits

from streamclust import api
from streamclust.passes import LocalExecutor, Passes
from streamclust.pipeline import working
from streamclust.settings import Settings
from streamclust.steps.equal_footing import equal_footing
from streamclust.steps.labelled import of_same_number, recommended
from streamclust.workspace import Workspace


def test_indices_do_not_depend_on_the_threads_of_blas(tmp_path):
    values = np.random.default_rng(0).standard_normal((3000, 40)).astype(np.float32)
    values[:1000] += 2
    out = tmp_path / "out"
    api.ingest(write_case(tmp_path / "case", a=values), out)
    for step in (api.reduce, api.cluster, api.measure):
        step(out, n_clusters=(8, 9))
    told = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads), working(Workspace(out), Settings(), "compare") as own:
            job = own[0]
            same = of_same_number(job.workspace, recommended(job.workspace, ["a"]))
            told.append(equal_footing(Passes(LocalExecutor(1)), job, same))
    assert told[0] == told[1]
