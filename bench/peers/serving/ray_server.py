"""The loan model behind Ray Serve: one replica, its request batching on, no dashboard, no access log."""

import sys
import time

import orjson
import ray
from pydantic import TypeAdapter
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig
from starlette.requests import Request
from starlette.responses import Response

from loan import Row, open_session, predict

rows_type = TypeAdapter(list[Row])


@serve.deployment(num_replicas=1, max_ongoing_requests=256, logging_config=LoggingConfig(enable_access_log=False))
class Loan:
    def __init__(self) -> None:
        self.session = open_session()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0)
    async def run(self, rows: list[Row]) -> list[dict]:
        return predict(self.session, rows)

    async def __call__(self, request: Request) -> Response:
        (row,) = rows_type.validate_json(await request.body())
        return Response(orjson.dumps({"predictions": [await self.run(row)]}), media_type="application/json")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=int(sys.argv[1])))
    serve.run(Loan.bind(), route_prefix="/invocations")
    while True:
        time.sleep(60)
