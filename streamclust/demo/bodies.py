"""The measures of the eight bodies, in half widths of the vehicle."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Body:
    """The outline of a body.

    height, belt, deck and sill are where the roof, the windows, the bonnet's (or boot's) edge
    and the bumper's lower edge lie; roof is the half width of the roof.
    """

    height: float
    belt: float
    deck: float
    sill: float
    roof: float
    wheel: float

    def jittered(self, build: np.ndarray) -> Self:
        """The same body as another make would build it."""
        size, shape, width = (float(value) for value in np.clip(build[:3], -2, 2))
        return replace(
            self,
            height=self.height * (1 + 0.02 * size),
            belt=self.belt * (1 + 0.02 * size),
            deck=self.deck * (1 + 0.02 * shape),
            roof=self.roof * (1 + 0.02 * width),
        )


BODIES = {
    "sedan": Body(height=1.56, belt=1.04, deck=0.84, sill=0.22, roof=0.60, wheel=0.16),
    "hatchback": Body(height=1.76, belt=1.06, deck=0.88, sill=0.22, roof=0.72, wheel=0.15),
    "suv": Body(height=2.00, belt=1.26, deck=1.08, sill=0.36, roof=0.78, wheel=0.21),
    "van": Body(height=2.26, belt=1.18, deck=0.98, sill=0.26, roof=0.88, wheel=0.17),
    "pickup": Body(height=1.98, belt=1.30, deck=1.16, sill=0.42, roof=0.66, wheel=0.22),
    "truck": Body(height=2.90, belt=1.24, deck=0.98, sill=0.34, roof=0.92, wheel=0.20),
    "bus": Body(height=2.62, belt=1.14, deck=0.90, sill=0.24, roof=0.95, wheel=0.18),
    "tanker": Body(height=2.60, belt=1.30, deck=1.04, sill=0.36, roof=0.80, wheel=0.20),
}
