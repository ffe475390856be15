"""The peer of bench/executor.ts: tasks of Prefect 3, results kept, with its own local server. Arguments: folder, flows, steps.

Prints one line of JSON: version, and seconds for all tasks of all flows, which run side by side on threads.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

folder, flows, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ.update(
    PREFECT_HOME=folder,
    PREFECT_LOGGING_LEVEL='ERROR',
    PREFECT_SERVER_ANALYTICS_ENABLED='false',
    # its server's start is not in the time, and takes longer than the 20 s it is given by default on a busy machine
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS='90',
)

from prefect import flow, task  # noqa: E402  the settings must be there before


@task(persist_result=True)
def step(i):
    return i


@flow(persist_result=True)
def run(count):
    return sum(step(i) for i in range(count))


run(2)
start = time.perf_counter()
with ThreadPoolExecutor(flows) as pool:
    assert list(pool.map(run, [steps] * flows)) == [steps * (steps - 1) // 2] * flows
seconds = time.perf_counter() - start
print(json.dumps(dict(version=f'Prefect {version("prefect")}', seconds=seconds)), flush=True)
