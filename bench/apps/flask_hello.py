"""Hello in Flask, as text and as JSON: what WSGI servers serve in the table."""

from flask import Flask, Response, jsonify

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    return "Hello, world.\n"


@app.get("/json")
def hello_json() -> Response:
    return jsonify(message="Hello, world.")
