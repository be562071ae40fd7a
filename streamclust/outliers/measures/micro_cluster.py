"""Membership in a small group far from the others, from the distances to reference samples."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from streamclust.outliers.measures.base import ScaledColumns
from streamclust.outliers.measures.reference import FAR, NEAR, reference_gap
from streamclust.outliers.scores import RobustScale

GAP = "reference_gap"


class MicroCluster(ScaledColumns):
    """Far from 5 % of all rows, yet in company: the lesser of the robust z of the far reference
    distance, and of its ratio to the near one."""

    version = 1
    reads = (NEAR, FAR)
    weight = 1 / 9

    def scales(self, columns: Mapping[str, Any]) -> dict[str, RobustScale]:
        near, far = columns[NEAR][...], columns[FAR][...]
        return {GAP: RobustScale.of(reference_gap(near, far, RobustScale.of(near).floor))}

    def z(self, columns: Mapping[str, np.ndarray], scales: Mapping[str, RobustScale]) -> np.ndarray:
        near, far = columns[NEAR], columns[FAR]
        gap = scales[GAP].z(reference_gap(near, far, scales[NEAR].floor))
        near, far = scales[NEAR].z(near), scales[FAR].z(far)
        return np.where(np.isnan(near), near, np.minimum(far, gap))


MEASURE = MicroCluster()
