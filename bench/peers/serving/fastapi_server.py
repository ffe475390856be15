"""
The loan model behind FastAPI: uvicorn with uvloop and httptools, no access log, one worker, pydantic reads the body's bytes
(faster than a declared body, which is decoded first), orjson writes. FASTAPI_MODE is `loop` (run in the event loop),
`threadpool` (run beside it), or `declared` (the body as a parameter).
"""

import os
import sys
from collections import Counter

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter

from loan import Row, open_session, predict

app = FastAPI()
session = open_session()
rows_type = TypeAdapter(list[Row])
statuses: Counter[int] = Counter()
mode = os.environ.get("FASTAPI_MODE", "loop")


def answer(predictions: list[dict]) -> Response:
    statuses[200] += 1
    return Response(orjson.dumps({"predictions": predictions}), media_type="application/json")


if mode == "declared":

    @app.post("/invocations")
    async def invocations(rows: list[Row]) -> Response:
        return answer(predict(session, rows))

elif mode == "threadpool":

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        rows = rows_type.validate_json(await request.body())
        return answer(await run_in_threadpool(predict, session, rows))

else:

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        return answer(predict(session, rows_type.validate_json(await request.body())))


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
