"""Flask's application on Werkzeug's own server: `werkzeug_server.py PORT`.

As `flask run` serves it (a thread for each connection, keep-alive), without the line it prints for
each request: printing is not what the table measures.
"""

import logging
import sys

from flask_hello import app
from werkzeug.serving import run_simple

logging.getLogger("werkzeug").setLevel(logging.ERROR)
run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
