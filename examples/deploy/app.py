"""An application that is ready to be deployed: see README.md beside it."""

import logging
import os

from oxbridge import Request, ResponseWriter, route, run


@route("GET /{$}")
def index(w: ResponseWriter, req: Request) -> None:
    w.write("Hello, world.\n")


@route("GET /healthz")
def health(w: ResponseWriter, req: Request) -> None:
    """What a load balancer asks to know whether this process lives."""
    w.write("ok\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    run(
        # Behind a platform's router or in a container, every interface is the right one.
        host=os.environ.get("HOST", ""),
        # Platforms say in PORT where they expect the program.
        port=os.environ.get("PORT", "5000"),
        # Platforms kill what has not ended some 30 seconds after SIGTERM.
        shutdown_timeout=25,
    )
