"""Callbacks for training frameworks, each imported when it is first asked for.

    from joulemeter.callbacks import HuggingFaceCallback, KerasCallback, LightningCallback

Each is the JoulemeterCallback of the module of its framework (``huggingface``, ``keras``,
``lightning``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HuggingFaceCallback", "KerasCallback", "LightningCallback"]

_LATER = {"HuggingFaceCallback": "huggingface", "KerasCallback": "keras",
          "LightningCallback": "lightning"}


def __getattr__(name: str) -> Any:
    home = _LATER.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f".{home}", __name__).JoulemeterCallback


def __dir__():
    return sorted(set(globals()) | set(_LATER))
