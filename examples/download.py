"""Sends a download of any size that is made while it is sent. A slow client slows the handler down.

Start it:

    python examples/download.py

Try it:

    curl 'http://127.0.0.1:5000/numbers?count=20'
    curl --limit-rate 1M 'http://127.0.0.1:5000/zeros?bytes=2000000000' | wc -c
"""

import logging
import os

from oxbridge import ClientGone, Request, ResponseWriter, route, run

CHUNK = b"\0" * 65536


@route("GET /numbers")
def numbers(w: ResponseWriter, req: Request) -> None:
    """Lines of text; nobody knows how long it will be, so it is sent in chunks."""
    count = whole_number(req.query.get("count", "1000"))
    if count is None:
        w.error("count must be a whole number", 400)
        return
    w.header["Content-Type"] = "text/csv"
    w.header["Content-Disposition"] = 'attachment; filename="numbers.csv"'
    w.write("number,square\n")
    for number in range(count):
        w.write(f"{number},{number * number}\n")


@route("GET /zeros")
def zeros(w: ResponseWriter, req: Request) -> None:
    """Bytes whose number is known, so that the client can show its progress."""
    size = whole_number(req.query.get("bytes", "1000000"))
    if size is None:
        w.error("bytes must be a whole number", 400)
        return
    w.header["Content-Type"] = "application/octet-stream"
    w.header["Content-Length"] = str(size)
    try:
        while w.written < size:
            # Waits while the client has not taken what was written before.
            w.write(CHUNK[: size - w.written])
    except ClientGone:
        logging.getLogger("download").info("the client left after %d bytes", w.written)


def whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


if __name__ == "__main__":
    run(host=os.environ.get("HOST", "127.0.0.1"), port=os.environ.get("PORT", "5000"))
