"""Sums of energies of different devices, by the rule of the C library (jmi_energy_add)."""

from __future__ import annotations

from ._energy import Energy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Optional


def _joined(texts: Iterable[str], separator: str) -> str:
    """Words of all of them, each once."""
    words = [word.strip() for text in texts for word in text.split(separator)]
    return separator.join(dict.fromkeys(filter(None, words)))


def _provenance(energies) -> str:
    """ "counter+power, simulated" for "counter, simulated" and "power"."""
    ways, notes = [], []
    for energy in energies:
        first, *rest = energy.provenance.split(", ")
        ways.append(first)
        notes += rest
    return ", ".join(filter(None, [_joined(ways, "+"), _joined(notes, ", ")]))


def is_known(energy: Energy) -> bool:
    """Not so for what no reading shows (NaN), and for a bound that begins at 0 and says no more."""
    return energy.energy_j > 0 or (energy.energy_j == 0 and not energy.bound_only)


def add(energies: Iterable[Energy], device: str = "") -> Optional[Energy]:
    """Energy of several devices over the same time.

    Devices err independently: variances add. A bound among them makes the sum a bound, and what is
    not known of one (NaN) is not known of the sum.

    Returns
    -------
    Energy
        None if there is none to add.
    """
    parts = list(energies)
    if len(parts) < 2:
        return parts[0] if parts else None

    def total(name: str) -> float:
        return sum(getattr(part, name) for part in parts)

    def root(name: str) -> float:
        return sum(getattr(part, name) ** 2 for part in parts) ** 0.5

    energy, lower, upper = total("energy_j"), total("lower_j"), total("upper_j")
    u_random, u_systematic = root("u_random_j"), root("u_systematic_j")
    bound_only = any(part.bound_only for part in parts)
    if bound_only:
        u95 = max(upper - energy, energy - lower)
    else:
        u95 = 1.96 * (u_random**2 + u_systematic**2) ** 0.5
        lower, upper = max(energy - u95, 0.0), energy + u95
    duration = parts[0].duration_s
    return Energy(device, energy, u95, u_random, u_systematic, lower, upper, duration,
                  energy / duration if duration > 0 else 0.0,
                  min(part.measured for part in parts), _provenance(parts),
                  _joined((part.flags for part in parts), " "), bound_only)
