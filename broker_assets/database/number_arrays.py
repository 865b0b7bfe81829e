"""Arrays of numbers as parameters of queries.

psycopg dumps a list element by element, which for a batch of alerts takes longer than the query itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def array_text(values: NDArray[np.integer[Any] | np.floating[Any]]) -> str:
    """Numbers as PostgreSQL reads an array; the query must cast it, as in `%s::bigint[]`.

    Parameters
    ----------
    values : (n,) integer or float array

    Examples
    --------
    >>> array_text(np.array([3, -1])), array_text(np.array([0.1, -np.inf, np.nan]))
    ('{3,-1}', '{0.1,-inf,nan}')
    """
    return "{" + ",".join(map(repr, values.tolist())) + "}"
