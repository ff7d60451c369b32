"""Layers of Keras models: calls, while the model runs eagerly."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from ._device_clock import HostClock
from ._hooks import Part, Watch
from ._layer_device import Gpu, of_torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple

    import keras


def is_keras(model: Any) -> bool:
    """True for a model of Keras, whatever its backend."""
    module = sys.modules.get("keras")
    kind = getattr(module, "Model", None)
    return kind is not None and isinstance(model, kind)


def parts_of(model: "keras.Model") -> List[Part]:
    """The model and its layers, each once, those of models within it too."""
    parts: List[Part] = []
    seen = set()

    def walk(layer: Any, name: str) -> None:
        if id(layer) in seen or type(layer).__name__ == "InputLayer":
            return
        seen.add(id(layer))
        below = getattr(layer, "layers", [])
        parts.append(Part(name or layer.name, layer, type(layer).__name__, not below))
        for one in below:
            walk(one, f"{name}/{one.name}" if name else one.name)

    walk(model, "")
    return parts


class KerasWatch(Watch):
    """As :class:`Watch`, of the ``call`` of each layer."""

    def _look(self, model: Any) -> Tuple[List[Part], HostClock]:
        return parts_of(model), HostClock()

    def _entrance(self, module: Any) -> Optional[str]:
        return "call"


def caller(model: "keras.Model", inputs: Any) -> Callable[[], Any]:
    """A function that runs the model once, as in inference."""
    given = dict(inputs) if isinstance(inputs, Mapping) else inputs
    return lambda: model(given, training=False)


def gpu_of(model: "keras.Model") -> Optional[Gpu]:
    """The GPU that it runs on, where layers are only launched when they return; None: the CPU."""
    import keras

    backend = keras.backend.backend()
    values = [variable.value for variable in model.variables]
    if backend == "tensorflow":
        if not sys.modules["tensorflow"].config.list_logical_devices("GPU"):
            return None
        places = (str(value.device).rpartition("GPU:")[2] for value in values)
        return Gpu(next((int(place) for place in places if place.isdigit()), 0))
    if backend == "torch":
        return next((of_torch(value.device) for value in values if value.device.type != "cpu"), None)
    if backend == "jax" and sys.modules["jax"].default_backend() != "cpu":
        return Gpu(min((device.id for value in values for device in value.devices()), default=0))
    return None
