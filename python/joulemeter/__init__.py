"""joulemeter: where the joules of a program go, each with its uncertainty.

    import joulemeter as jm

    with jm.profile() as p:
        with p.phase("train"):
            train()
    print(p.report())
"""

from __future__ import annotations

from _joulemeter import version as __version__

from ._bind import JoulemeterError, JoulemeterWarning
from ._core import Profiler, current, devices, findings, measure, profile
from ._core import open_recording as open
from ._energy import Energy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import callbacks, distributed, emissions, figures, highlevel, limits, measurement
    from ._attribution import Attribution
    from ._layer_metrics import LayerMetrics
    from ._layers import LayerPowerProfiler
    from ._logbook import get_logged_data, log_statement, logged_runs
    from ._power_meter import PowerMeter
    from ._repeat import compare, repeat
    from ._report import Report
    from ._statistics import Comparison, Forecast, Repeat, forecast
    from ._torch_trace import merge_torch_trace, torch_trace
    from ._tuner import PowerTuner, Tuning, tune
    from .emissions import EmissionsTracker, OfflineEmissionsTracker, track_emissions
    from .highlevel import profile_tf, profile_torch
    from .limits import clock_limit, power_cap_profiler, power_limit, power_limits, reset_power_cap, set_power_cap

__all__ = [
    "Attribution", "Comparison", "EmissionsTracker", "Energy", "Forecast", "JoulemeterError",
    "JoulemeterWarning", "LayerMetrics", "LayerPowerProfiler", "OfflineEmissionsTracker",
    "PowerMeter", "PowerTuner", "Profiler", "Repeat", "Report", "Tuning", "__version__",
    "callbacks", "clock_limit", "compare", "current", "devices", "distributed", "emissions",
    "figures", "findings", "forecast", "get_logged_data", "highlevel", "limits", "log_statement",
    "logged_runs", "measure", "measurement", "merge_torch_trace", "open", "power_cap_profiler",
    "power_limit", "power_limits", "profile", "profile_tf", "profile_torch", "repeat",
    "reset_power_cap", "set_power_cap", "torch_trace", "track_emissions", "tune",
]

# Names and modules that are imported when they are first used: `import joulemeter` stays quick.
_LATER = {
    "Attribution": "_attribution", "Comparison": "_statistics", "Forecast": "_statistics",
    "LayerMetrics": "_layer_metrics", "LayerPowerProfiler": "_layers", "Repeat": "_statistics",
    "Report": "_report", "callbacks": "callbacks", "clock_limit": "limits", "compare": "_repeat",
    "distributed": "distributed", "figures": "figures", "forecast": "_statistics",
    "EmissionsTracker": "emissions", "OfflineEmissionsTracker": "emissions",
    "PowerMeter": "_power_meter", "emissions": "emissions", "get_logged_data": "_logbook",
    "log_statement": "_logbook", "logged_runs": "_logbook", "track_emissions": "emissions",
    "highlevel": "highlevel", "limits": "limits", "power_limit": "limits", "power_limits": "limits",
    "power_cap_profiler": "limits", "reset_power_cap": "limits", "set_power_cap": "limits",
    "PowerTuner": "_tuner", "Tuning": "_tuner", "tune": "_tuner",
    "measurement": "measurement", "merge_torch_trace": "_torch_trace", "profile_tf": "highlevel",
    "profile_torch": "highlevel", "repeat": "_repeat", "torch_trace": "_torch_trace",
}


def load_ipython_extension(ipython) -> None:
    """``%load_ext joulemeter`` makes the magic ``%%joulemeter`` known."""
    from ._magic import register

    register(ipython)


def __getattr__(name: str):
    home = _LATER.get(name)
    if home is None:
        raise AttributeError(f"module 'joulemeter' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{home}", __name__)
    value = getattr(module, name, module)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(_LATER))
