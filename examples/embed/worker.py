"""A worker: a count of the requests, and routes for whoever asks."""

import time

count = 0


def go_init() -> dict[str, list[str]]:
    return {
        "/": ["GET"],
        "/ping": ["GET", "HEAD"],
        "/hello/:target": ["GET", "POST"],
    }


def go_request(
    method: str,
    path: str,
    params: dict[str, list[str]],
    query: dict[str, list[str]],
    headers: dict[str, list[str]],
    body: str,
) -> tuple[int, str, dict[str, list[str]]]:
    global count
    count += 1
    if "X-Sleep" in headers:
        time.sleep(float(headers["X-Sleep"][0]))
    return 200, f"request #{count}", {"X-Test": ["1"]}
