"""Figures of numbers that are no recording: power limits, coverage.

Needs numpy and matplotlib. Those of a recording are methods of its report (``rep.plot``,
``rep.plot_one``), those of repeats and comparisons methods of their results.
"""

from __future__ import annotations

import _joulemeter

from ._figures import as_arrays, draw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Tuple

__all__ = ["limits", "coverage"]

_NOWHERE = {"out_dir": None, "format": "png", "dpi": 300}


def limits(points: Iterable[Tuple[float, float, float, float]], **look: Any) -> Any:
    """Energy and time of the same work under several power limits.

    Parameters
    ----------
    points : iterable of (limit_w, energy_j, u_random_j, time_s)
        ``u_random_j`` is the standard uncertainty that repeating shrinks; 0: not known.
    **look
        ``ax``, ``width``, ``dark``, ``style`` as in :meth:`Report.plot_one`.

    Returns
    -------
    (matplotlib.figure.Figure, matplotlib.axes.Axes)
    """
    return drawn(_joulemeter.figure_limits([(limit, energy, u, time)
                                              for limit, energy, u, time in points]), look)


def coverage(points: Iterable[Tuple[str, int, int]], level: float = 0.95, **look: Any) -> Any:
    """How often intervals of a nominal level held the truth.

    Parameters
    ----------
    points : iterable of (name, held, of)
    level : float
    **look
        As for :func:`limits`.

    Returns
    -------
    (matplotlib.figure.Figure, matplotlib.axes.Axes)
    """
    return drawn(_joulemeter.figure_coverage([(name, held, of) for name, held, of in points], level), look)


def drawn(figure: Dict[str, Any], look: Dict[str, Any]) -> Any:
    """A figure of the library's, drawn."""
    return draw(as_arrays(figure), look.pop("show", False), _NOWHERE, **look)
