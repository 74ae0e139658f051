"""The API: any ASGI server runs it, and main.rs has it below /api."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, dict[int, str]]]:
    """What is opened here is open before the first request, and closed after the last one."""
    notes = {1: "a note that was there"}
    print("The API has started", file=sys.stderr)
    yield {"notes": notes}
    print(f"The API has ended, with {len(notes)} notes", file=sys.stderr)


app = FastAPI(title="Notes", lifespan=lifespan)


class Note(BaseModel):
    text: str = Field(min_length=1, max_length=1000)


@app.get("/notes/{number}")
async def read(number: int, request: Request) -> Note:
    notes = request.state.notes
    if number not in notes:
        raise HTTPException(404, f"there is no note {number}")
    return Note(text=notes[number])


@app.post("/notes", status_code=201)
async def write(note: Note, request: Request) -> dict[str, str]:
    notes = request.state.notes
    number = len(notes) + 1
    if number > 1000:
        raise HTTPException(507, "there are a thousand notes, and no more are kept")
    notes[number] = note.text
    # It knows where it is: /api/notes/2.
    return {"url": str(request.url_for("read", number=number))}


@app.get("/ticks")
async def ticks() -> StreamingResponse:
    """Tick until whoever listens has gone."""

    async def lines() -> AsyncIterator[str]:
        number = 0
        try:
            while True:
                number += 1
                yield f"tick {number}\n"
                await asyncio.sleep(0.1)
        finally:
            print("A listener has gone", file=sys.stderr)

    return StreamingResponse(lines(), media_type="text/plain")


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass
