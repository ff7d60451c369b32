"""Writes files as lists of lines in C: embed.py OUTPUT NAME=FILE ..."""

import sys


def c_lines(name, text):
    lines = []
    for line in text.splitlines():
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
        lines.append(f'    "{escaped}\\n",')
    return f"static const char *const {name}[] = {{\n" + "\n".join(lines) + "\n    NULL};\n"


def main():
    output, *pairs = sys.argv[1:]
    parts = []
    for pair in pairs:
        name, path = pair.split("=", 1)
        with open(path, encoding="utf-8") as file:
            parts.append(c_lines(name, file.read()))
    with open(output, "w", encoding="utf-8") as file:
        file.write("#include <stddef.h>\n\n" + "\n".join(parts))


main()
