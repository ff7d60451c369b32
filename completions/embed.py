"""Writes files as C strings: embed.py OUTPUT NAME=FILE ..."""

import sys


def c_string(name, text):
    lines = []
    for line in text.splitlines():
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
        lines.append(f'    "{escaped}\\n"')
    return f"static const char {name}[] =\n" + "\n".join(lines) + ";\n"


def main():
    output, *pairs = sys.argv[1:]
    parts = []
    for pair in pairs:
        name, path = pair.split("=", 1)
        with open(path, encoding="utf-8") as file:
            parts.append(c_string(name, file.read()))
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))


main()
