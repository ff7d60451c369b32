"""Hands the C extension what it needs of Python."""

from __future__ import annotations

import _joulemeter

from ._energy import Energy


class JoulemeterError(RuntimeError):
    """What the C library reported; ``status`` is its code, such as "JM_PERMISSION"."""

    def __init__(self, message: str, status: str = "") -> None:
        super().__init__(message)
        self.status = status


class JoulemeterWarning(UserWarning):
    """A warning of a session: a limit is near, a device is lost ..."""


def _plain(value):
    """A value that JSON can take: numbers of numpy and of frameworks, else text."""
    for convert in ("item", "tolist"):
        method = getattr(value, convert, None)
        if method is not None:
            try:
                return _finite(method())
            except (TypeError, ValueError, RuntimeError):
                continue
    return str(value)


def _finite(value):
    """JSON has no NaN and no infinity: null."""
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def json_text(values: dict) -> str:
    """Attributes of a range or mark as one JSON object."""
    import json

    return json.dumps(_finite(values), default=_plain, separators=(",", ":"), ensure_ascii=False)


_joulemeter.bind(JoulemeterError, Energy, json_text)
