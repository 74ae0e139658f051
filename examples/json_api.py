"""A small JSON API: notes, kept in memory.

Start it:

    python examples/json_api.py

Try it:

    curl -d '{"text": "buy milk"}' http://127.0.0.1:5000/notes
    curl http://127.0.0.1:5000/notes
    curl http://127.0.0.1:5000/notes/1
    curl -X PUT -d '{"text": "buy oat milk"}' http://127.0.0.1:5000/notes/1
    curl -X DELETE http://127.0.0.1:5000/notes/1
"""

import itertools
import os
import threading

from oxbridge import BadBody, Request, ResponseWriter, route, run

notes: dict[int, str] = {}
numbers = itertools.count(1)
# Handlers run on several threads at the same time.
lock = threading.Lock()


@route("GET /notes")
def list_notes(w: ResponseWriter, req: Request) -> None:
    wanted = req.query.get("q", "")
    with lock:
        found = [as_json(number) for number, text in notes.items() if wanted in text]
    w.json(found)


@route("POST /notes")
def create_note(w: ResponseWriter, req: Request) -> None:
    text = text_of(w, req)
    if text is None:
        return
    with lock:
        number = next(numbers)
        notes[number] = text
        created = as_json(number)
    w.header["Location"] = f"/notes/{number}"
    w.json(created, 201)


@route("GET /notes/{number}")
def get_note(w: ResponseWriter, req: Request) -> None:
    with lock:
        number = number_of(w, req)
        if number is not None:
            w.json(as_json(number))


@route("PUT /notes/{number}")
def replace_note(w: ResponseWriter, req: Request) -> None:
    text = text_of(w, req)
    if text is None:
        return
    with lock:
        number = number_of(w, req)
        if number is not None:
            notes[number] = text
            w.json(as_json(number))


@route("DELETE /notes/{number}")
def delete_note(w: ResponseWriter, req: Request) -> None:
    with lock:
        number = number_of(w, req)
        if number is not None:
            del notes[number]
            w.set_status(204)


@route("/")
def anything_else(w: ResponseWriter, req: Request) -> None:
    w.json({"error": f"there is nothing at {req.path}"}, 404)


def as_json(number: int) -> dict[str, object]:
    return {"number": number, "text": notes[number]}


def number_of(w: ResponseWriter, req: Request) -> int | None:
    """The note that the URL names; None, and 404 to the client, if there is no such note."""
    value = req.path_value("number")
    if value.isascii() and value.isdigit() and int(value) in notes:
        return int(value)
    w.json({"error": f"there is no note {value}"}, 404)
    return None


def text_of(w: ResponseWriter, req: Request) -> str | None:
    """The text in the request's body; None, and 400 to the client, if there is none."""
    try:
        note = req.json()
    except BadBody as error:
        w.json({"error": str(error)}, 400)
        return None
    if not isinstance(note, dict) or not isinstance(note.get("text"), str):
        w.json({"error": 'a note is an object like {"text": "buy milk"}'}, 400)
        return None
    return str(note["text"])


if __name__ == "__main__":
    run(
        host=os.environ.get("HOST", "127.0.0.1"),
        port=os.environ.get("PORT", "5000"),
        max_body=1_000_000,
    )
