"""The rooms inside a Flask application: `python docs/examples/embedded.py`."""

import rt_service

rt_service.patch()  # before anything else is imported

from flask import Flask, request  # noqa: E402

app = Flask("board")


@app.get("/")
def index():
    return "<h1>Board</h1>"


@app.post("/notes")
def note():
    receipt = rt.api.publish("/chat", "board", "note", request.get_json())
    return {"offset": receipt["offset"]}, 201


rt = rt_service.create_service({"server.port": 5000}, app)

if __name__ == "__main__":
    rt.run()
