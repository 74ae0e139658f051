"""FastPySGI with an app, one core or several: `fastpysgi_server.py MODULE:APP PORT WORKERS`.

Its own command line cannot say how many workers there are to be, and leaves Nagle's algorithm on.
"""

import importlib
import sys

import fastpysgi

module, _, name = sys.argv[1].partition(":")
port, workers = map(int, sys.argv[2:])
app = getattr(importlib.import_module(module), name)
fastpysgi.server.tcp_nodelay = 1
fastpysgi.run(app, "127.0.0.1", port, fastpysgi.LL_ERROR, workers if workers > 1 else None)
