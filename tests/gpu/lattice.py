"""When a polled value changes: the refresh period by phase-locking onto the changes."""
import math


def quantile(values, share):
    ordered = sorted(values)
    return ordered[int((len(ordered) - 1) * share)] if ordered else math.nan


def _line(x, y, weight):
    """Weighted least squares y = a + b x: slope, its standard uncertainty, what is left of each
    point and the weighted standard deviation of that."""
    total = sum(weight)
    mean_x = sum(w * xi for w, xi in zip(weight, x)) / total
    mean_y = sum(w * yi for w, yi in zip(weight, y)) / total
    spread = sum(w * (xi - mean_x) ** 2 for w, xi in zip(weight, x))
    slope = sum(w * (xi - mean_x) * (yi - mean_y) for w, xi, yi in zip(weight, x, y)) / spread
    left = [yi - mean_y - slope * (xi - mean_x) for xi, yi in zip(x, y)]
    squares = sum(w * r * r for w, r in zip(weight, left))
    free = max(1, len(x) - 2)
    return slope, math.sqrt(squares / free / spread), left, math.sqrt(squares / total)


def fit(brackets):
    """Period of the changes within `brackets` [(lo_ns, hi_ns)], or None if they are too few.

    A change that did not alter the value is missing: gaps are whole multiples of the period.
    `inside` is the share of brackets that hold their tick, give or take 100 us.
    """
    if len(brackets) < 8:
        return None
    origin = brackets[0][0]
    middles = [(lo + hi) / 2 - origin for lo, hi in brackets]
    gaps = [b - a for a, b in zip(middles, middles[1:])]
    period = quantile(gaps, 0.3)
    if not period > 0:
        return None
    # A late poll makes a wide bracket, which says little.
    weight = [1 / ((hi - lo) ** 2 + 1e10) for lo, hi in brackets]
    for _ in range(6):
        ticks = [0]
        for gap in gaps:
            ticks.append(ticks[-1] + max(1, round(gap / period)))
        period, period_u, left, deviation = _line(ticks, middles, weight)
    inside = sum(abs(r) <= (hi - lo) / 2 + 1e5 for r, (lo, hi) in zip(left, brackets))
    return {
        "period_ms": period * 1e-6,
        "period_u_ms": period_u * 1e-6,
        "jitter_ms": deviation * 1e-6,
        "inside": inside / len(brackets),
        "changes": len(brackets),
        "ticks": ticks[-1],
        "gap_p05_ms": quantile(gaps, 0.05) * 1e-6,
        "gap_p50_ms": quantile(gaps, 0.5) * 1e-6,
        "gap_p95_ms": quantile(gaps, 0.95) * 1e-6,
        "bracket_p50_us": quantile([hi - lo for lo, hi in brackets], 0.5) * 1e-3,
    }
