"""The job of bench/etl/job.ts in PySpark's SQL functions, local[2], the JVM started once, the job done twice (spark_job.py).

usage: etl_spark.py JOB.json [MEMORY]
"""

from pyspark.sql import functions as F

from spark_job import twice


def work(spark, job):
    numbers, texts, out = job["numbers"], job["texts"], job["out"]
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


twice(work)
