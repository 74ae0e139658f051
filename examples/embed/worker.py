"""A worker: a count of the requests, and routes for whoever asks."""

import time

count = 0


def go_init():
    return {
        "/": ["GET"],
        "/ping": ["GET", "HEAD"],
        "/hello/:target": ["GET", "POST"],
    }


def go_request(method, path, params, query, headers, body):
    global count
    count += 1
    if "X-Sleep" in headers:
        time.sleep(float(headers["X-Sleep"][0]))
    return 200, f"request #{count}", {"X-Test": ["1"]}
