"""Serves the files of a folder, with types, ranges and "not modified".

Start it, for the current folder or for another one:

    python examples/static_files.py
    python examples/static_files.py docs

Try it:

    curl -i http://127.0.0.1:5000/README.md
    curl -r 0-99 http://127.0.0.1:5000/README.md
"""

import os
import sys
from pathlib import Path

from oxbridge import Request, ResponseWriter, route, run

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()


@route("GET /{path...}")
def files(w: ResponseWriter, req: Request) -> None:
    # What a client sends may try to climb out of the folder, or may be a link out of it.
    wanted = (FOLDER / req.path_value("path")).resolve()
    if wanted.is_dir():
        wanted /= "index.html"
    if not wanted.is_relative_to(FOLDER) or not wanted.is_file():
        w.error("There is no such file.", 404)
        return
    w.serve_file(wanted)


if __name__ == "__main__":
    run(host=os.environ.get("HOST", "127.0.0.1"), port=os.environ.get("PORT", "5000"))
