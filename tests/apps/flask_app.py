"""A Flask application with all that the contract asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import content
from flask import Flask, Response, jsonify, redirect, request, send_file, url_for

app = Flask(__name__)
app.json.ensure_ascii = False  # type: ignore[attr-defined]

next_event = threading.Event()
left = threading.Event()


@app.get("/json")
def json() -> Response:
    return jsonify(message=content.GREETING)


@app.get("/path/<value>/end")
def path(value: str) -> Response:
    return jsonify(value=value)


@app.get("/query")
def query() -> Response:
    return jsonify({name: request.args.getlist(name) for name in request.args})


@app.post("/form")
def form() -> Response:
    return jsonify({name: request.form.getlist(name) for name in request.form})


@app.post("/multipart")
def multipart() -> Response:
    file = request.files["file"]
    pieces = iter(lambda: file.stream.read(65536), b"")
    return jsonify(fields=request.form.to_dict(), name=file.filename, **content.digest(pieces))


@app.get("/cookies/set")
def set_cookies() -> Response:
    response = jsonify(set=True)
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "a b;c", max_age=3600)
    return response


@app.get("/cookies")
def cookies() -> Response:
    return jsonify(request.cookies)


@app.get("/stream")
def stream() -> Response:
    return Response(iter(content.PIECES), mimetype="application/octet-stream")


@app.get("/file")
def file() -> Response:
    return send_file(content.FILE, as_attachment=True, download_name="content.txt")


@app.put("/upload")
def upload() -> Response:
    return jsonify(content.digest(iter(lambda: request.stream.read(65536), b"")))


@app.get("/large")
def large() -> Response:
    return Response(content.LARGE, mimetype="application/octet-stream")


@app.get("/redirect")
def moved() -> object:
    return redirect(url_for("json"))


@app.get("/error")
def error() -> Response:
    raise RuntimeError("meant to fail")


@app.get("/error/late")
def late_error() -> Response:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("meant to fail late")

    return Response(pieces())


@app.get("/headers")
def headers() -> Response:
    return jsonify(probe=request.headers.get("X-Probe"))


@app.route("/options", methods=["OPTIONS"])
def options() -> Response:
    return Response(status=204, headers={"Allow": "GET, OPTIONS"})


@app.get("/where")
def where() -> Response:
    return jsonify(
        client=request.remote_addr,
        scheme=request.scheme,
        root=request.script_root,
        path=request.path,
        link=url_for("json", _external=True),
    )


@app.get("/empty")
def empty() -> Response:
    return Response(status=204)


@app.get("/events")
def events() -> Response:
    def pieces() -> Iterator[str]:
        yield "data: first\n\n"
        next_event.wait(20)
        next_event.clear()
        yield "data: second\n\n"

    return Response(pieces(), mimetype="text/event-stream")


@app.post("/events/next")
def let_next_event() -> Response:
    next_event.set()
    return Response(status=204)


@app.get("/endless")
def endless() -> Response:
    def pieces() -> Iterator[bytes]:
        try:
            yield from content.ticks()
        finally:
            left.set()

    return Response(pieces(), mimetype="text/event-stream")


@app.get("/left")
def has_left() -> Response:
    return jsonify(left=left.wait(20))
