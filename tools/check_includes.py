#!/usr/bin/env python3
"""Includes follow the direction of the data; programs on top see the public header only.

usage: check_includes.py [ROOT]
"""
import re
import sys
from pathlib import Path

# A room may include rooms of a lower level, and itself. Rooms of one level do not know each other.
LEVELS = [
    ["base"],
    ["settings"],
    ["sensor"],
    ["record"],
    ["energy"],
    ["attribute", "limit", "estimate", "carbon"],
    ["report"],
    ["figure", "logbook"],
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Folders that see the public header and their own files.
OUTSIDE = ["src/cli", "python", "inject", "examples", "tests/header"]
# The simulated GPU stands for a driver: it knows nothing of joulemeter at all.
ALONE = ["simgpu"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h", ".cpp", ".cu") and p.is_file())


def includes(path):
    """(line number, quoted?, name) of every include."""
    text = path.read_text(errors="replace")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1) == '"', match.group(2)


def room_of_include(root, path, name):
    """The room in src/ that a quoted include names, or None."""
    first = name.split("/")[0]
    if "/" in name and (root / "src" / name).exists():
        return first
    beside = (path.parent / name).resolve()
    src = (root / "src").resolve()
    if beside.exists() and src in beside.parents:
        return beside.relative_to(src).parts[0]
    return first if first in LEVEL and "/" in name else None


def check_room(root, room):
    for path in sources(root / "src" / room):
        for line, quoted, name in includes(path):
            target = room_of_include(root, path, name) if quoted else None
            if target is None or target == room:
                continue
            if target not in LEVEL:
                yield path, line, f"{room} includes {name}, of no room that the library knows"
            elif LEVEL[target] == LEVEL[room]:
                yield path, line, f"{room} and {target} do not know each other ({name})"
            elif LEVEL[target] > LEVEL[room]:
                yield path, line, f"{room} comes before {target} ({name})"


def check_outside(root, folder, public):
    home = (root / folder).resolve()
    for path in sources(root / folder):
        for line, quoted, name in includes(path):
            if name == "joulemeter.h" and public:
                continue
            beside = (path.parent / name).resolve()
            own = beside.exists() and home in beside.parents
            own = own or ((home / name).exists() and ".." not in name)
            own = own or ("/" not in name and not list((root / "src").rglob(name)) and
                          name != "joulemeter.h")  # made by the build
            if quoted and not own:
                allowed = "joulemeter.h and its own files" if public else "its own files"
                yield path, line, f"{folder} may include {allowed} only, not {name}"
            elif not quoted and (name == "joulemeter.h" or name.startswith("jmi")):
                yield path, line, f"{folder} does not know joulemeter ({name})"


def check(root):
    known = [p.name for p in (root / "src").iterdir() if p.is_dir()] if (root / "src").exists() else []
    for room in known:
        if room in LEVEL:
            yield from check_room(root, room)
        elif f"src/{room}" not in OUTSIDE:
            yield root / "src" / room, 0, f"the room {room} has no place in tools/check_includes.py"
    for folder in OUTSIDE:
        yield from check_outside(root, folder, public=True)
    for folder in ALONE:
        yield from check_outside(root, folder, public=False)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    problems = list(check(root))
    for path, line, text in problems:
        print(f"{path.relative_to(root)}:{line}: {text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
