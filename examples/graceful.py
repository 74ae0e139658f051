"""Ends gracefully: SIGTERM or Ctrl-C lets a slow request finish before the program ends.

Start it:

    python examples/graceful.py

Try it, and while it works press Ctrl-C in the server's window:

    curl -N 'http://127.0.0.1:5000/work?seconds=10'

A second Ctrl-C cuts the request. Asking for /stop has the program end itself:

    curl http://127.0.0.1:5000/stop
"""

import os
import time

from oxbridge import Request, ResponseWriter, route, run, shutdown


@route("GET /work")
def work(w: ResponseWriter, req: Request) -> None:
    seconds = float(req.query.get("seconds", "5"))
    w.write("Working...\n")
    w.flush()
    # A handler may block: it costs nobody else anything.
    time.sleep(seconds)
    w.write("Done.\n")


@route("GET /stop")
def stop(w: ResponseWriter, req: Request) -> None:
    w.write("Goodbye.\n")
    shutdown()


if __name__ == "__main__":
    run(
        host=os.environ.get("HOST", "127.0.0.1"),
        port=os.environ.get("PORT", "5000"),
        # What has not finished by then is cut. Supervisors often kill after 30 seconds themselves.
        shutdown_timeout=25,
    )
    print("Stopped: every request has been answered.")
