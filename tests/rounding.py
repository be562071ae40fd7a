"""What rounding costs a sum, whichever kernel of BLAS adds it up."""

import numpy as np


def rounding(n_terms: int, dtype: type = np.float32) -> float:
    """The error of a sum of products, in parts of the sum of their sizes.

    Kernels add in different orders, and an order decides which way each step is rounded. The
    errors of the steps, three of them of the product itself, are as good as independent, so that
    their root counts (Higham & Mary 2019, "A new approach to probabilistic rounding error
    analysis"). Each deviates by eps/√12 of what is added up so far: √n·eps is 3.5 deviations
    though all partial sums be as large as the whole, and 6 where they grow to it evenly. Not so of
    few values that recur, unless their sums are exact: those are all rounded alike.
    """
    return float(np.sqrt(n_terms + 3) * np.finfo(dtype).eps)
