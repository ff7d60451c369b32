#!/usr/bin/env python3
"""Builds the report page and a header that names it: build_page.py NODE BUILD.MJS PAGE.HTML HEADER.

The header has the page's hash in it, so that what includes it is compiled anew when the page changes.
"""
import hashlib
import subprocess
import sys
from pathlib import Path


def main():
    node, script, page, header = sys.argv[1:]
    done = subprocess.run([node, script, str(Path(page).resolve())])
    if done.returncode != 0:
        return done.returncode
    path = Path(page).resolve()
    name = str(path).replace("\\", "\\\\").replace('"', '\\"')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    Path(header).write_text(f'/* {digest} */\n#define JM_PAGE "{name}"\n')
    return 0


sys.exit(main())
