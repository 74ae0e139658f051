"""Hello in Flask: the application that gunicorn and werkzeug serve in the table."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    return "Hello, world.\n"
