"""Functions that the server's processes can import too, as `tests.matrix.matrix_functions`."""

import numpy as np
import pixeltable as pxt


@pxt.udf
def embedded(s: str) -> pxt.Array[(8,), np.float32]:
    """A direction for each text, the same at each call."""
    return np.array([np.cos(i + sum(map(ord, s))) for i in range(8)], dtype=np.float32)


@pxt.udf
def inverse(n: int) -> float:
    """Fails for 0."""
    return 1.0 / n
