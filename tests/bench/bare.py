"""An empty FastAPI POST: what HTTP, JSON and a process cost before anything is done. `python -m tests.bench.bare PORT`."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class NewNotification(BaseModel):
    """The body that all are sent."""

    user_id: str
    title: str
    message: str
    type: str
    metadata: dict[str, Any] = {}


app = FastAPI()


@app.post("/notifications", status_code=201)
async def create(body: NewNotification) -> NewNotification:
    """Reads and answers."""
    return body


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
