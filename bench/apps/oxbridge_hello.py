"""Hello in Oxbridge: `oxbridge_hello.py PORT blocking|inline|async`.

One kind of handler for each process, because a server that also has coroutines may take its
turns in another way. `blocking` is what `@route` does unless told otherwise; `inline` is
`blocking=False`.
"""

import sys

from oxbridge import Request, ResponseWriter, route, run


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("Hello, world.\n")


async def hello_async(w: ResponseWriter, req: Request) -> None:
    w.write("Hello, world.\n")


port, kind = sys.argv[1:]
if kind == "async":
    route("/{$}", hello_async)
else:
    route("/{$}", hello, blocking={"blocking": True, "inline": False}[kind])
run(port=port, banner=False)
