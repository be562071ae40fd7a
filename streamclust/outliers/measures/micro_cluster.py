"""Membership in a small group far from the others, from the distances to reference samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamclust.outliers.measures.base import Column, MeasureInputs
from streamclust.outliers.measures.reference import FAR, NEAR, reference_gap
from streamclust.outliers.scores import RobustScale
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.settings import Settings

GAP = "reference_gap"


class MicroCluster:
    """Far from 5 % of all rows, yet in company: the lesser of the robust z of the far reference
    distance, and of its ratio to the near one."""

    version = 1
    depends_on = ()
    reads = (NEAR, FAR)
    columns: tuple[Column, ...] = ()
    weight = 1 / 9

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        return 0

    def write(
        self, inputs: MeasureInputs, outputs: Sequence[Any], settings: Settings, passes: Passes
    ) -> None:
        """There is nothing to write."""

    def scales(self, columns: Mapping[str, Any]) -> dict[str, RobustScale]:
        near, far = columns[NEAR][...], columns[FAR][...]
        return {GAP: RobustScale.of(reference_gap(near, far, RobustScale.of(near).floor))}

    def z(self, columns: Mapping[str, np.ndarray], scales: Mapping[str, RobustScale]) -> np.ndarray:
        near, far = columns[NEAR], columns[FAR]
        gap = scales[GAP].z(reference_gap(near, far, scales[NEAR].floor))
        near, far = scales[NEAR].z(near), scales[FAR].z(far)
        return np.where(np.isnan(near), near, np.minimum(far, gap))


MEASURE = MicroCluster()
