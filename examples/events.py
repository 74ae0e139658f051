"""Server-sent events: every open page shows what anybody says.

Start it:

    python examples/events.py

Try it: open http://127.0.0.1:5000/ in two browser windows, or

    curl -N http://127.0.0.1:5000/events
    curl -d 'hello' http://127.0.0.1:5000/say
"""

import asyncio
import os

from oxbridge import Request, ResponseWriter, route, run

PAGE = """<!doctype html>
<title>Events</title>
<form><input name="text" autofocus><button>Say</button></form>
<ul id="said"></ul>
<script>
  const said = document.querySelector("#said");
  const events = new EventSource("/events");
  events.onmessage = (event) => {
    const line = document.createElement("li");
    line.textContent = event.data;
    said.prepend(line);
  };
  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    const form = event.target;
    fetch("/say", {method: "POST", body: form.text.value});
    form.reset();
  };
</script>
"""

# One queue for each page that listens. Coroutines share one thread, so no lock is needed.
listeners: set[asyncio.Queue[str]] = set()

# A client that has gone is noticed by writing to it: at least this often, in seconds.
HEARTBEAT = 15


@route("GET /{$}")
def page(w: ResponseWriter, req: Request) -> None:
    w.write(PAGE)


@route("POST /say")
async def say(w: ResponseWriter, req: Request) -> None:
    text = (await req.aread()).decode(errors="replace")
    for listener in listeners:
        listener.put_nowait(text)
    w.set_status(204)


@route("GET /events")
async def events(w: ResponseWriter, req: Request) -> None:
    w.header["Content-Type"] = "text/event-stream"
    w.header["Cache-Control"] = "no-store"
    # The head and a comment go out at once, so that the client knows that it is connected.
    await w.awrite(": welcome\n\n")
    await w.aflush()
    listener: asyncio.Queue[str] = asyncio.Queue()
    listeners.add(listener)
    try:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    text = await listener.get()
            except TimeoutError:
                await w.awrite(": still here\n\n")
            else:
                # An event ends with an empty line; each of its lines starts with "data: ".
                for line in text.splitlines() or [""]:
                    await w.awrite(f"data: {line}\n")
                await w.awrite("\n")
            await w.aflush()
    finally:
        # The client has gone, or the server stops.
        listeners.discard(listener)


if __name__ == "__main__":
    run(
        host=os.environ.get("HOST", "127.0.0.1"),
        port=os.environ.get("PORT", "5000"),
        # Event streams never end by themselves, so there is no point in waiting long for them.
        shutdown_timeout=1,
    )
