"""An energy with its uncertainty, as the C library gives it."""

from __future__ import annotations

from _joulemeter import interval_text, value_text


class Energy:
    """Energy of a window of time.

    Attributes
    ----------
    device : str
        Device that it is of; "" for the sum that was asked for.
    energy_j : float
        Joules; NaN where nothing was measured.
    u95_j : float
        Expanded 95 % uncertainty, random and systematic part together.
    u_random_j, u_systematic_j : float
        Standard uncertainties. The random part shrinks with repetition; the systematic part (the
        board's gain) does not, and cancels in ratios on one board.
    lower_j, upper_j : float
        The true value lies between them with 95 % probability; hard bounds if ``bound_only``.
    duration_s, mean_power_w : float
    measured : float
        Share of the window for which there are readings, 0 to 1.
    provenance : str
        "counter+power", "modelled", "simulated", "bound only" ...
    flags : str
        Words: conflict, partial, locked, activity, reset.
    bound_only : bool
        Too short to be measured: only the bounds mean anything, and ``energy_j`` is a best guess
        between them.
    """

    __slots__ = (
        "bound_only", "device", "duration_s", "energy_j", "flags", "lower_j", "mean_power_w",
        "measured", "provenance", "u95_j", "u_random_j", "u_systematic_j", "upper_j",
    )

    def __init__(self, device, energy_j, u95_j, u_random_j, u_systematic_j, lower_j, upper_j,
                 duration_s, mean_power_w, measured, provenance, flags, bound_only):
        self.device = device
        self.energy_j = energy_j
        self.u95_j = u95_j
        self.u_random_j = u_random_j
        self.u_systematic_j = u_systematic_j
        self.lower_j = lower_j
        self.upper_j = upper_j
        self.duration_s = duration_s
        self.mean_power_w = mean_power_w
        self.measured = measured
        self.provenance = provenance
        self.flags = flags
        self.bound_only = bound_only

    def to_dict(self) -> dict:
        """The attributes as a dict, for JSON and data frames."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __float__(self) -> float:
        return self.energy_j

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Energy):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        if self.energy_j != self.energy_j:
            return "not measured"
        if self.bound_only:
            return f"{interval_text(self.lower_j, self.upper_j, 'J')} (bound only)"
        return value_text(self.energy_j, self.u95_j, "J")

    def __repr__(self) -> str:
        return f"<Energy {self} in {self.duration_s:.6g} s, {self.provenance}>"
