"""Report: what a recording says, as text, numbers and tables."""

from __future__ import annotations


class Report:
    """What was measured. See ``summary``, ``print(report)`` and the data frames."""

    def __init__(self, recording, device=None, name: str = "") -> None:
        self.recording = recording
        self.device = device
        self.name = name

    def __str__(self) -> str:
        return self.recording.text()
