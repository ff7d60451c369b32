"""`python -m joulemeter ...` runs the command joulemeter."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig


def find_command() -> str:
    """Path of the command that came with this package, else the one on PATH."""
    schemes = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable)]
    try:
        schemes.append(sysconfig.get_path("scripts", f"{os.name}_user"))
    except KeyError:
        pass
    for folder in schemes:
        path = os.path.join(folder, "joulemeter")
        if os.access(path, os.X_OK):
            return path
    return shutil.which("joulemeter") or ""


def main() -> None:
    command = find_command()
    if not command:
        sys.exit("joulemeter: the command is not installed beside this package; "
                 "install the package with pip, or put `joulemeter` on PATH")
    os.execv(command, [command, *sys.argv[1:]])


if __name__ == "__main__":
    main()
