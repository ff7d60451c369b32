#!/usr/bin/env python3
"""Draws what a command prints on a terminal as an SVG picture.

    docs/make_picture.py OUT.svg TITLE COMMAND...

docs/summary.svg is made so, after `./dev demo`:

    docs/make_picture.py docs/summary.svg '$ joulemeter run -o demo.jm -- ./demo_load' \\
        build/joulemeter show out/demo/demo.jm
"""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from html import escape

COLUMNS = 84
FONT = 14
WIDTH, HEIGHT = 0.602 * FONT, 1.35 * FONT  # of a character of a monospaced font
MARGIN = 18
COLORS = {"back": "#1b1e24", "text": "#d7dae0", "dim": "#8a919e", "title": "#7fc8a9"}


def on_terminal(command):
    """What the command prints on a terminal of COLUMNS columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
        os.execvp(command[0], command)
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux ends a terminal
            break
        if not piece:
            break
        output += piece
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit(f"{' '.join(command)} failed:\n{output.decode(errors='replace')}")
    return output.decode("utf-8").replace("\r\n", "\n").rstrip("\n")


def spans(line):
    """Pieces of a line with their style; escape codes 0, 1 and 2 are all that joulemeter uses."""
    style, column = "text", 0
    for piece in re.split(r"(\x1b\[\d*m)", line):
        code = re.fullmatch(r"\x1b\[(\d*)m", piece)
        if code:
            style = {"1": "bold", "2": "dim"}.get(code.group(1), "text")
        else:
            # words by themselves: viewers differ in what they make of several spaces
            for words in re.finditer(r"\S+(?: \S+)*", piece):
                yield column + words.start(), style, words.group()
            column += len(piece)


def draw(title, text):
    lines = [(0, "title", title)], [], *(list(spans(line)) for line in text.split("\n"))
    width = COLUMNS * WIDTH + 2 * MARGIN
    height = len(lines) * HEIGHT + 2 * MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
           f'width="{width:.0f}" height="{height:.0f}" role="img" '
           f'aria-label="{escape(title, quote=True)}">')
    yield (f"<style>text{{font:{FONT}px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
           f"fill:{COLORS['text']}}}.dim{{fill:{COLORS['dim']}}}"
           f".bold{{font-weight:bold}}.title{{fill:{COLORS['title']}}}</style>")
    yield f'<rect width="100%" height="100%" rx="8" fill="{COLORS["back"]}"/>'
    for row, line in enumerate(lines):
        y = MARGIN + (row + 0.8) * HEIGHT
        for column, style, piece in line:
            x = MARGIN + column * WIDTH
            yield (f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" '
                   f'textLength="{len(piece) * WIDTH:.1f}">{escape(piece)}</text>')
    yield "</svg>"


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    out, title, *command = sys.argv[1:]
    picture = "\n".join(draw(title, on_terminal(command))) + "\n"
    with open(out, "w", encoding="utf-8") as file:
        file.write(picture)


main()
