"""The peer of bench/executor.ts: durable steps of DBOS, its journal in SQLite. Arguments: folder, flows, steps.

Prints one line of JSON: version, and seconds for all steps of all flows, side by side on threads as its documentation has it.
"""

import json
import sys
import time
from importlib.metadata import version

from dbos import DBOS

folder, flows, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
DBOS(config=dict(name='bench', system_database_url=f'sqlite:///{folder}/dbos.sqlite', run_admin_server=False))


@DBOS.step()
def step(i):
    return i


@DBOS.workflow()
def flow(count):
    return sum(step(i) for i in range(count))


DBOS.launch()
flow(5)
start = time.perf_counter()
handles = [DBOS.start_workflow(flow, steps) for _ in range(flows)]
assert all(handle.get_result() == steps * (steps - 1) // 2 for handle in handles)
seconds = time.perf_counter() - start
print(json.dumps(dict(version=f'DBOS {version("dbos")}, SQLite', seconds=seconds)), flush=True)
DBOS.destroy()
