#!/usr/bin/env python3
"""forest.py ROWS.csv: a random forest with scikit-learn's default settings on the rows of
`./dev accuracy --estimate`, each program or each kernel left out, for comparison."""

import csv
import sys
from pathlib import Path

SEEDS = 5
NAMES = ("program", "kernel", "board", "power_avg_w")


def left_out_error(features, watts, groups):
    """Mean of |error| in per cent, over forests of several seeds."""
    from sklearn.ensemble import RandomForestRegressor

    total = 0.0
    for group in set(groups):
        rest = [i for i, g in enumerate(groups) if g != group]
        out = [i for i, g in enumerate(groups) if g == group]
        for seed in range(SEEDS):
            forest = RandomForestRegressor(random_state=seed)
            forest.fit([features[i] for i in rest], [watts[i] for i in rest])
            guesses = forest.predict([features[i] for i in out])
            total += sum(abs(guess - watts[i]) / watts[i]
                         for guess, i in zip(guesses, out, strict=True))
    return 100 * total / SEEDS / len(watts)


def main():
    path = Path(sys.argv[1])
    if not path.exists():
        print("random forest: skipped, the data is not there")
        return
    try:
        import sklearn
    except ImportError:
        print("random forest: skipped, scikit-learn is not in .venv")
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    features = [[float(row[name]) for name in row if name not in NAMES] for row in rows]
    watts = [float(row["power_avg_w"]) for row in rows]
    for word, groups in (("program", [row["program"] for row in rows]),
                         ("kernel", list(range(len(rows))))):
        error = left_out_error(features, watts, groups)
        print(f"{'estimate V100, ' + word + ' left out, random forest':60} {error:6.4g} %"
              f"   (scikit-learn {sklearn.__version__}, mean of {SEEDS} seeds)")


main()
