"""Hello in FastAPI, as JSON: what ASGI servers serve in the table."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/json")
async def hello() -> dict[str, str]:
    return {"message": "Hello, world."}
