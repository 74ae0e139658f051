"""Hello, world.

Start it:

    python examples/hello.py

Try it:

    curl http://127.0.0.1:5000/
    curl http://127.0.0.1:5000/hello/world
"""

import os

from oxbridge import Request, ResponseWriter, route, run


@route("/")
def index(w: ResponseWriter, req: Request) -> None:
    w.write("Hello, world.\n")


@route("GET /hello/{name}")
def hello(w: ResponseWriter, req: Request) -> None:
    w.write(f"Hello, {req.path_value('name')}!\n")


if __name__ == "__main__":
    run(host=os.environ.get("HOST", "127.0.0.1"), port=os.environ.get("PORT", "5000"))
