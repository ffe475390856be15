"""The loan model behind BentoML: its adaptive batching on, which it recommends for throughput; one worker."""

import bentoml

from loan import Row, open_session, predict


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Loan:
    def __init__(self) -> None:
        self.session = open_session()

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def predict(self, rows: list[Row]) -> list[dict]:
        return predict(self.session, rows)
