"""A Flask application (WSGI): `oxbridge serve flask_app:app`."""

from collections.abc import Iterator

from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return "Hello from Flask.\n"


@app.post("/upload")
def upload() -> dict[str, int]:
    # Read as it arrives: a thread waits, and the others go on.
    return {"bytes": sum(map(len, iter(lambda: request.stream.read(65536), b"")))}


@app.get("/count")
def count() -> Response:
    def lines() -> Iterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return Response(lines(), mimetype="text/plain")
