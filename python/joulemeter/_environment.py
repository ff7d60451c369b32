"""Versions of what a program has loaded, for a report's environment."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

_PACKAGES = ("torch", "tensorflow", "keras", "jax", "transformers", "lightning", "numpy")


def versions() -> Dict[str, str]:
    """Python's version, and those of known packages that are loaded, CUDA's if one is built with it."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    torch_version = getattr(sys.modules.get("torch"), "version", None)
    cuda = getattr(torch_version, "cuda", None) or _tensorflow_cuda()
    if isinstance(cuda, str):
        found["cuda"] = cuda
    return found


def _tensorflow_cuda():
    sysconfig = getattr(sys.modules.get("tensorflow"), "sysconfig", None)
    try:
        return sysconfig.get_build_info().get("cuda_version")
    except Exception:  # it is another version, or none
        return None


def note_versions(session) -> None:
    """Keeps them in the session's recording."""
    for name, version in versions().items():
        session.set_info(name, version)
