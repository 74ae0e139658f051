"""Takes uploads of any size: each file is hashed while it arrives, and never held in memory.

Start it:

    python examples/upload.py

Try it: open http://127.0.0.1:5000/ in a browser, or

    curl -F note=hello -F file=@some-large-file http://127.0.0.1:5000/upload
    curl -T some-large-file http://127.0.0.1:5000/upload
"""

import hashlib
import os
from collections.abc import Iterable

from oxbridge import Request, ResponseWriter, route, run

PAGE = """<!doctype html>
<title>Upload</title>
<form action="/upload" method="post" enctype="multipart/form-data">
  <p><label>Note: <input name="note"></label></p>
  <p><label>Files: <input name="file" type="file" multiple></label></p>
  <p><button>Upload</button></p>
</form>
"""


@route("GET /{$}")
def page(w: ResponseWriter, req: Request) -> None:
    w.write(PAGE)


@route("POST /upload")
def upload_form(w: ResponseWriter, req: Request) -> None:
    """A form: fields and files, one part after the other."""
    fields: dict[str, str] = {}
    files = []
    for part in req.multipart():
        if part.filename is None:
            fields[part.name or ""] = part.read().decode()
        else:
            # A part gives its contents in pieces. The name is the client's: never use it as a path.
            files.append({"name": part.filename, **measured(part)})
    w.json({"fields": fields, "files": files})


@route("PUT /upload")
@route("PUT /upload/{name}")
def upload_file(w: ResponseWriter, req: Request) -> None:
    """A bare file: the body is its contents."""
    w.json({"name": req.path_value("name"), **measured(req)})


def measured(pieces: Iterable[bytes]) -> dict[str, object]:
    """Size and checksum of what arrives in pieces."""
    size, checksum = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        checksum.update(piece)
    return {"size": size, "sha256": checksum.hexdigest()}


if __name__ == "__main__":
    run(host=os.environ.get("HOST", "127.0.0.1"), port=os.environ.get("PORT", "5000"))
