"""The job of bench/etl/job.ts in PySpark, local[2], the JVM started once: adaptive execution, two shuffle partitions.

usage: etl_spark.py JOB.json [MEMORY]; does the job twice: `seconds` is the second, warm time, `cold` the first without the
start of the JVM, `start` that.
"""

import json
import shutil
import sys
import time

from pyspark.sql import SparkSession, functions as F

job = json.load(open(sys.argv[1]))
numbers, texts, out = job["numbers"], job["texts"], job["out"]
begun = time.perf_counter()
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", sys.argv[2] if len(sys.argv) > 2 else "8g")
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
start = time.perf_counter() - begun


def work():
    broken = {f"non_null_columns.{job['not_null']}": F.col(job["not_null"]).isNull()}
    for name, (low, high) in job["ranges"].items():
        broken[f"value_ranges.{name}"] = (F.col(name) < low) | (F.col(name) > high)
    rule = F.coalesce(*[F.when(is_broken, name) for name, is_broken in broken.items()])
    judged = spark.read.parquet(*job["files"]).withColumn("rule", rule)
    # a row that breaks two rules counts for both, and is written once
    counts = judged.select(*[F.count_if(is_broken).alias(name) for name, is_broken in broken.items()]).first()
    quarantined = counts.asDict()
    judged.filter("rule IS NOT NULL").write.mode("overwrite").parquet(f"{out}/quarantine")
    at = F.col("happened_at").cast("timestamp").cast("double") * 1e6
    kept = judged.filter("rule IS NULL").drop("rule").withColumn("at", at)
    shares = ", ".join(map(str, job["shares"]))
    train_cut, validation_cut = kept.select(F.expr(f"percentile(at, array({shares}))")).first()[0]
    train = kept.filter(F.col("at") < train_cut)
    found = train.select(
        F.count("*").alias("n"),
        *[
            made
            for name in numbers
            for made in (
                F.avg(name).alias(f"{name}_mean"),
                (F.var_samp(name) * (F.count(name) - 1)).alias(f"{name}_m2"),
            )
        ],
    ).first()
    fitted = {name: [found[f"{name}_mean"], (found[f"{name}_m2"] / (found["n"] - 1)) ** 0.5] for name in numbers}
    categories = {
        name: [
            row[0]
            for row in train.filter(F.col(name).isNotNull())
            .groupBy(name)
            .count()
            .orderBy(F.desc("count"), F.asc(name))
            .limit(job["most"])
            .collect()
        ]
        for name in texts
    }
    made = kept
    for name, values in categories.items():
        # one expression of literals: a DataFrame of Python's objects would start Python workers for each of them
        quoted = ", ".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values)
        places = spark.range(1).select(F.expr(f"posexplode(array({quoted})) AS ({name}_at, {name})"))
        made = made.join(F.broadcast(places), name, "left")
    split = F.when(F.col("at") < train_cut, "train").when(F.col("at") < validation_cut, "validation").otherwise("test")
    made.select(
        "id",
        (F.col("label") == "yes").cast("int").alias("label"),
        *[
            ((F.coalesce(F.col(name), F.lit(mean)) - F.lit(mean)) / F.lit(sd)).cast("float").alias(name)
            for name, (mean, sd) in fitted.items()
        ],
        *[F.coalesce(f"{name}_at", F.lit(len(values))).alias(name) for name, values in categories.items()],
        split.alias("split"),
    ).write.mode("overwrite").partitionBy("split").parquet(f"{out}/features")
    return {"quarantined": quarantined, "numbers": fitted, "texts": categories}


times = []
for _ in range(2):
    for part in ("quarantine", "features"):
        shutil.rmtree(f"{out}/{part}", ignore_errors=True)
    began = time.perf_counter()
    facts = work()
    times.append(time.perf_counter() - began)
json.dump({**facts, "start": start, "cold": times[0], "seconds": times[1]}, open(f"{out}/facts.json", "w"))
spark.stop()
