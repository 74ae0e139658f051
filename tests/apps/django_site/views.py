"""The contract's views: plain functions, which Django runs in threads under ASGI."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator

import content
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

next_event = threading.Event()
left = threading.Event()


def json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": content.GREETING})


def path(request: HttpRequest, value: str) -> HttpResponse:
    return JsonResponse({"value": value})


def query(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.GET.lists()))


@csrf_exempt
def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.POST.lists()))


@csrf_exempt
def multipart(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    return JsonResponse(
        {"fields": request.POST.dict(), "name": file.name, **content.digest(file.chunks())}
    )


def set_cookies(request: HttpRequest) -> HttpResponse:
    response = JsonResponse({"set": True})
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "a b;c", max_age=3600)
    return response


def cookies(request: HttpRequest) -> HttpResponse:
    return JsonResponse(request.COOKIES)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return _streaming(request, lambda: iter(content.PIECES), "application/octet-stream")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(content.FILE.open("rb"), as_attachment=True, filename="content.txt")


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    return JsonResponse(content.digest(iter(lambda: request.read(65536), b"")))


def large(request: HttpRequest) -> HttpResponse:
    return HttpResponse(content.LARGE, content_type="application/octet-stream")


def moved(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(reverse("json"))


def error(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("meant to fail")


def late_error(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("meant to fail late")

    return _streaming(request, pieces, "text/plain")


def headers(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"probe": request.headers["X-Probe"]})


@csrf_exempt
def options(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204, headers={"Allow": "GET, OPTIONS"})


def where(request: HttpRequest) -> HttpResponse:
    root = request.META["SCRIPT_NAME"]
    return JsonResponse(
        {
            "client": request.META["REMOTE_ADDR"],
            "scheme": request.scheme,
            "root": root,
            "path": request.path_info,
            "link": request.build_absolute_uri(reverse("json")),
        }
    )


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def events(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[bytes]:
        yield b"data: first\n\n"
        next_event.wait(20)
        next_event.clear()
        yield b"data: second\n\n"

    return _streaming(request, pieces, "text/event-stream")


@csrf_exempt
def let_next_event(request: HttpRequest) -> HttpResponse:
    next_event.set()
    return HttpResponse(status=204)


def endless(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[bytes]:
        try:
            yield from content.ticks()
        finally:
            left.set()

    return _streaming(request, pieces, "text/event-stream")


async def has_left(request: HttpRequest) -> HttpResponse:
    # Django closes what it iterates over, and leaves the generator within to the collector where
    # it was cancelled between two pieces.
    for _ in range(200):
        gc.collect()
        if await asyncio.to_thread(left.wait, 0.1):
            break
    return JsonResponse({"left": left.is_set()})


def visits(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


async def asynchronous(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return JsonResponse({"asgi": isinstance(request, ASGIRequest)})


def _streaming(request: HttpRequest, pieces: object, content_type: str) -> StreamingHttpResponse:
    """Stream a generator: as it is under WSGI, stepped in a thread under ASGI."""
    if not isinstance(request, ASGIRequest):
        return StreamingHttpResponse(pieces(), content_type=content_type)

    async def stepped() -> AsyncIterator[bytes]:
        steps = pieces()
        try:
            while (piece := await asyncio.to_thread(next, steps, None)) is not None:
                yield piece
        finally:
            if hasattr(steps, "close"):
                steps.close()

    return StreamingHttpResponse(stepped(), content_type=content_type)
