"""What the PySpark jobs share: a session of local[2] with adaptive execution and two shuffle partitions, and a job done
twice. `facts.json` of the output folder gets what the job gives and, in seconds: `start` of the JVM, `cold` and `seconds`
(the first and the second, warm time), `cpu_cold` and `cpu_seconds` (of Python and the JVM together).
"""

import json
import shutil
import sys
import time

from pyspark.sql import SparkSession

ARGUMENTS = [word for word in sys.argv[1:] if not word.startswith("--")]


def session():
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", ARGUMENTS[1] if len(ARGUMENTS) > 1 else "8g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.adaptive.enabled", "true")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def cpu_seconds(pids):
    """Of processes, from /proc in ticks of 10 ms: utime is the 14th field, stime the 15th, the name before may hold spaces."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def twice(work):
    """`work(spark, job)` writes `quarantine` and `features` and returns the facts."""
    with open(ARGUMENTS[0]) as file:
        job = json.load(file)
    begun = time.perf_counter()
    spark = session()
    start = time.perf_counter() - begun
    pids = ["self", spark.sparkContext._gateway.proc.pid]
    seconds, cpu = [], []
    for _ in range(2):
        for part in ("quarantine", "features"):
            shutil.rmtree(f"{job['out']}/{part}", ignore_errors=True)
        began, before = time.perf_counter(), cpu_seconds(pids)
        facts = work(spark, job)
        seconds.append(time.perf_counter() - began)
        cpu.append(cpu_seconds(pids) - before)
    times = {"start": start, "cold": seconds[0], "seconds": seconds[1], "cpu_cold": cpu[0], "cpu_seconds": cpu[1]}
    with open(f"{job['out']}/facts.json", "w") as file:
        json.dump({**facts, **times}, file)
    spark.stop()
