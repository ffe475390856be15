"""The peer of bench/executor.ts: ops of Dagster, its event log in SQLite. Arguments: folder, flows, steps.

A flow is a run of a job, in this process, of `steps` ops in a chain, whose outputs are kept as files; flows run side by
side on threads. Prints one line of JSON: version, and seconds for all ops of all flows.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

folder, flows, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ['DAGSTER_HOME'] = folder
with open(f'{folder}/dagster.yaml', 'w') as file:
    file.write('telemetry:\n  enabled: false\n')

from dagster import DagsterInstance, job, op  # noqa: E402  the home must be there before


@op
def first(context):
    return 1


@op
def following(context, before: int):
    return before + 1


def chain(count):
    @job(name=f'flow{count}')
    def flow():
        value = first()
        for i in range(1, count):
            value = following.alias(f'step{i}')(value)

    return flow


instance = DagsterInstance.get()


def run(flow):
    result = flow.execute_in_process(instance=instance, raise_on_error=True)
    assert result.success


run(chain(2))
flow = chain(steps)
start = time.perf_counter()
with ThreadPoolExecutor(flows) as pool:
    list(pool.map(run, [flow] * flows))
seconds = time.perf_counter() - start
done = instance.get_runs_count()
assert done == flows + 1, done
print(json.dumps(dict(version=f'Dagster {version("dagster")}, SQLite', seconds=seconds)), flush=True)
os._exit(0)  # its loggers' threads have nothing more to do
