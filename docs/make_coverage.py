"""Draws docs/coverage.svg from what ./dev accuracy --json FILE wrote: make_coverage.py FILE."""
import json
import sys
from pathlib import Path

import joulemeter as jm


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    points = []
    for row in rows:
        if row["name"].startswith("coverage ") and row["name"].endswith(", all") and row["of"]:
            count = round(row["of"])
            points.append((row["name"][len("coverage "):-len(", all")], round(row["value"] * count / 100), count))
    figure, _ = jm.figures.coverage(points)
    figure.savefig(Path(__file__).with_name("coverage.svg"), metadata={"Date": None})
    print(f"{len(points)} kinds of sensors")


main()
