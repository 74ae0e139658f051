"""Shows a client what it sent: method, host, URL, headers and body.

Start it:

    python examples/echo.py

Try it:

    curl -d 'some text' 'http://127.0.0.1:5000/any/path?with=a+query'
"""

import os

from oxbridge import Request, ResponseWriter, route, run


@route("/")
def echo(w: ResponseWriter, req: Request) -> None:
    w.header["Content-Type"] = "text/plain; charset=utf-8"
    w.write(f"Method: {req.method}\nHost: {req.host}\nURL: {req.url}\n")
    w.write("Headers:\n")
    for name, value in req.headers.items():
        w.write(f"  {name}: {value}\n")
    w.write("Body:\n")
    w.write(req.body)


if __name__ == "__main__":
    run(host=os.environ.get("HOST", "127.0.0.1"), port=os.environ.get("PORT", "5000"))
