"""Attribution: joules of layers, kernels or other parts, as the C library worked them out."""

from __future__ import annotations

import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

    import _joulemeter
    import pandas

METHODS = ("regression", "time_share", "boundary")
_PART = ("name", "type", "group", "calls", "time_s", "energy_j", "energy_u95_j", "lower_j", "upper_j",
         "power_w", "power_u95_w", "inclusive_time_s", "inclusive_energy_j",
         "inclusive_energy_u95_j", "seen_s", "provenance")


def number(value: Any) -> float:
    """A number of JSON; NaN where nothing is known."""
    return math.nan if value is None else float(value)


class Attribution:
    """Energies of the parts of a program; see :meth:`Report.attribute`.

    Attributes
    ----------
    by, device, method : str
    title : str
        What is told of, as a heading: "layers", "layers and kernels", "layers whose names begin
        with 'conv'".
    net : bool
        The device's idle power is taken off.
    simulated, modelled : bool
    parts : list of dict
        Most energy first: ``name``, ``type`` (of module, or None), ``group`` (name of the group of
        parts that no reading can tell apart, or None), ``calls``, ``time_s`` (own time),
        ``energy_j``, ``energy_u95_j`` (expanded 95 % uncertainty), ``lower_j``, ``upper_j``, ``power_w``, ``power_u95_w``,
        ``inclusive_time_s``, ``inclusive_energy_j``, ``inclusive_energy_u95_j`` (with all parts
        within it), ``seen_s`` (of its time, how much a sensor saw), ``provenance``.
    groups : list of dict
        Likewise, with ``parts``, the names of its members.
    whole, sum, gap : dict
        Energies of the time from the first call to the last, of the parts and gaps together, and of
        the gaps.
    residual_j, residual_u95_j : float
        Whole less sum, and the uncertainty of that.
    diagnostics : dict or None
        None: of a method for comparison.
        ``readings``, ``within`` (while parts ran), ``needed`` (to tell them apart), ``effective``, ``condition``, ``noise_w``, ``shift_s``, ``lock``, ``locked``.
    calls : dict of lists
        If asked for: ``range``, ``part``, ``own_s``, ``energy_j``, ``u95_j``, ``inclusive_j``.
    """

    def __init__(self, text: str, by: Union[None, str, Sequence[str]] = None,
                 prefix: Optional[str] = None) -> None:
        raw: Dict[str, Any] = json.loads(text)
        self.raw = raw
        self.by: str = raw["by"]
        self.title = _title([self.by] if by is None or isinstance(by, str) else by, prefix)
        self.device: str = raw["device"]
        self.method: str = raw["method"]
        self.net: bool = raw["net"]
        self.simulated: bool = raw["simulated"]
        self.modelled: bool = raw["modelled"]
        self.whole, self.sum, self.gap = raw["whole"], raw["sum"], raw["gap"]
        self.residual_j = number(raw["residual_j"])
        self.residual_u95_j = number(raw["residual_u95_j"])
        self.idle: Optional[Dict[str, Any]] = raw["idle"]
        self.diagnostics: Optional[Dict[str, Any]] = raw["diagnostics"]
        self.calls: Optional[Dict[str, List[Any]]] = raw.get("calls")
        names = [group["name"] for group in raw["groups"]]
        self.parts = [_row(part, names) for part in raw["parts"]]
        self.groups = [dict(_row(group, names), parts=[raw["parts"][i]["name"]
                                                       for i in group["parts"]])
                       for group in raw["groups"]]

    @property
    def parts_df(self) -> "pandas.DataFrame":
        """A row for each part; needs pandas."""
        import pandas

        return pandas.DataFrame(self.parts, columns=list(_PART))

    def __str__(self) -> str:
        from _joulemeter import value_text

        rows = [f"{part['name']}: {_told(part)}" for part in self.parts[:20]]
        more = [f"and {len(self.parts) - 20} more"] if len(self.parts) > 20 else []
        left = value_text(self.residual_j, self.residual_u95_j, "J") if (
            self.residual_j == self.residual_j) else "not known"
        return "\n".join([f"{self.title} of {self.device} by {self.method}:", *rows, *more,
                          f"the whole less the sum of the parts: {left}"])

    def __repr__(self) -> str:
        return (f"<Attribution of {len(self.parts)} parts ({self.title}) of {self.device} by "
                f"{self.method}>")


_SPLITS = {"grid": 1, "stream": 2}  # jm_split
_PLURALS = {"batch": "batches", "nvtx": "NVTX ranges", "user": "ranges", "warmup": "warm-ups"}


def _title(categories: Sequence[str], prefix: Optional[str]) -> str:
    """ "layers, kernels and NVTX ranges": each category that was asked for, once."""
    names = [_PLURALS.get(one, f"{one}s") for one in dict.fromkeys(categories)]
    last = names[-1] if names else "ranges"
    title = f"{', '.join(names[:-1])} and {last}" if len(names) > 1 else last
    return title if not prefix else f"{title} whose names begin with {prefix!r}"


def _row(part: Dict[str, Any], groups: Sequence[str]) -> Dict[str, Any]:
    inclusive = part.get("inclusive") or {}
    group = part.get("group")
    return {
        "name": part["name"], "type": part.get("type") or None,
        "group": None if group is None else groups[group],
        "calls": part["calls"], "time_s": number(part["time_s"]),
        "energy_j": number(part["energy_j"]), "energy_u95_j": number(part["u95_j"]),
        "u_random_j": number(part.get("u_random_j")),
        "lower_j": number(part["lower_j"]), "upper_j": number(part["upper_j"]),
        "power_w": number(part["power_w"]), "power_u95_w": number(part["power_u95_w"]),
        "inclusive_time_s": number(part.get("inclusive_time_s")),
        "inclusive_energy_j": number(inclusive.get("energy_j")),
        "inclusive_energy_u95_j": number(inclusive.get("u95_j")),
        "seen_s": number(part.get("seen_s")), "provenance": "+".join(part["provenance"]),
        "bound_only": "bound only" in part["provenance"],
    }


def _told(part: Dict[str, Any]) -> str:
    from _joulemeter import interval_text, value_text

    if part["bound_only"] or part["energy_j"] != part["energy_j"]:
        group = f", one of {part['group']}" if part["group"] else ""
        return f"{interval_text(part['lower_j'], part['upper_j'], 'J')}{group}"
    calls = f"{part['calls']} call{'' if part['calls'] == 1 else 's'}"
    return f"{value_text(part['energy_j'], part['energy_u95_j'], 'J')} in {calls}"


def attribute(recording: "_joulemeter.Recording", *, by: Union[None, str, Sequence[str]] = None,
              device: Union[None, int, str] = None, method: str = "regression",
              prefix: Optional[str] = None,
              windows: Optional[Sequence[Tuple[int, int]]] = None, net: bool = False,
              calls: bool = False, split: Sequence[str] = ()) -> Attribution:
    """See :meth:`Report.attribute`."""
    split = [split] if isinstance(split, str) else split
    unknown = sorted(set(split) - set(_SPLITS))
    if unknown:
        raise ValueError(f"kernels are split by {' or '.join(_SPLITS)}, not by {unknown[0]!r}")
    bits = sum(_SPLITS[one] for one in set(split))
    return Attribution(recording.attribute(by=by, device=device, method=method, prefix=prefix,
                                           windows=windows, net=net, calls=calls, split=bits),
                       by, prefix)
