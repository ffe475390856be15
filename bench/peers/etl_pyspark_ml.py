"""The job of bench/etl/job.ts by hand with pyspark.ml: Imputer, StringIndexer, StandardScaler, OneHotEncoder, fitted on train
rows, vectors written as these pipelines do. local[2], the JVM started once, the job done twice (spark_job.py).

usage: etl_pyspark_ml.py [--profile] JOB.json [MEMORY]
With --profile also the statistics of each column that Millrace's report holds, likewise by hand.
"""

import sys

from pyspark.ml.feature import Imputer, OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler
from pyspark.sql import Window
from pyspark.sql import functions as F

from spark_job import twice


def exact_quantiles(frame, value, shares, around=5e-4):
    """Two light passes: `percentile` over every different time would take longer than all the rest of the job."""
    near = [F.percentile_approx(value, [share - around, share + around], F.lit(10_000)) for share in shares]
    n, *brackets = frame.select(F.count("*"), *near).first()
    found = []
    for low, high in brackets:
        inside = (value >= low) & (value <= high)
        found += [F.count_if(value < low), F.sort_array(F.collect_list(F.when(inside, value)))]
    found = frame.select(*found).first()
    cuts = []
    for share, below, values in zip(shares, found[::2], found[1::2]):
        at = (n - 1) * share
        first = int(at) - below
        cuts.append(values[first] + (values[first + 1] - values[first]) * (at - int(at)))
    return cuts


def profile_of(frame, ordered, listed):
    """By column: missing values; of numbers and times also range, mean, deviation and 20 bins; of texts the 20 most
    frequent. Three passes: bins and texts are counted as rows of a column's number and a value."""
    each = {
        f"{what} {name}": figure
        for name, value in ordered.items()
        for what, figure in {
            "missing": F.count_if(value.isNull()),
            "min": F.min(value),
            "max": F.max(value),
            "mean": F.avg(value),
            "stddev": F.stddev_samp(value),
        }.items()
    }
    found = frame.select(*[figure.alias(name) for name, figure in each.items()]).first().asDict()
    profile = {}
    places = []
    for name, value in ordered.items():
        profile[name] = {what: found[f"{what} {name}"] for what in ("missing", "min", "max", "mean", "stddev")}
        low, high = profile[name]["min"], profile[name]["max"]
        places.append(F.least(F.floor((value - low) / (high - low) * 20), F.lit(19)))
        profile[name]["histogram"] = [0] * 20
    names = list(ordered)
    for column, place, count in frame.select(F.posexplode(F.array(*places))).groupBy("pos", "col").count().collect():
        if place is not None:
            profile[names[column]]["histogram"][place] = count
    counts = frame.select(F.posexplode(F.array(*listed))).groupBy("pos", "col").count()
    of_column = Window.partitionBy("pos")
    ranked = counts.select(
        "*",
        F.row_number().over(of_column.orderBy(F.col("col").isNull(), F.desc("count"), "col")).alias("rank"),
        F.count("col").over(of_column).alias("distinct"),
    )
    for name in listed:
        profile[name] = {"missing": 0, "distinct": 0, "top": []}
    for column, value, count, _, distinct in ranked.filter("rank <= 20 OR col IS NULL").orderBy("pos", "rank").collect():
        one = profile[listed[column]]
        one["distinct"] = distinct
        if value is None:
            one["missing"] = count
        else:
            one["top"].append({"value": value, "count": count})
    return profile


def work(spark, job):
    numbers, texts, one_hot, out = job["numbers"], job["texts"], job["one_hot"], job["out"]
    broken = {f"non_null_columns.{job['not_null']}": F.col(job["not_null"]).isNull()}
    for name, (low, high) in job["ranges"].items():
        broken[f"value_ranges.{name}"] = (F.col(name) < low) | (F.col(name) > high)
    rule = F.coalesce(*[F.when(is_broken, name) for name, is_broken in broken.items()])
    judged = spark.read.parquet(*job["files"]).withColumn("rule", rule)
    judged.filter("rule IS NOT NULL").write.mode("overwrite").parquet(f"{out}/quarantine")
    # a row that breaks two rules counts for both and is written once: counted where there are few rows
    counts = spark.read.parquet(f"{out}/quarantine").select(*[F.count_if(b).alias(name) for name, b in broken.items()])
    quarantined = counts.first().asDict()
    at = F.unix_micros(F.col("happened_at").cast("timestamp"))
    profile = {}
    if "--profile" in sys.argv:
        values = {"happened_at": at, "born": F.unix_date("born") * 86_400_000_000}
        ordered = {name: values.get(name, F.col(name)).cast("double") for name in ["id", *values, *numbers]}
        profile = {"profile": profile_of(judged.filter("rule IS NULL"), ordered, [*texts, "label"])}
    label = (F.col("label") == "yes").cast("int").alias("label")
    kept = judged.filter("rule IS NULL").select("id", label, at.alias("at"), *numbers, *texts)
    train_cut, validation_cut = exact_quantiles(kept, F.col("at"), job["shares"])
    train = kept.filter(F.col("at") < train_cut)

    imputer = Imputer(strategy="mean", inputCols=numbers, outputCols=[f"{name}_filled" for name in numbers])
    imputer = imputer.fit(train)
    assembler = VectorAssembler(inputCols=imputer.getOutputCols(), outputCol="assembled")
    scaler = StandardScaler(inputCol="assembled", outputCol="numbers", withMean=True, withStd=True)
    scaler = scaler.fit(assembler.transform(imputer.transform(train)))
    indexed = [f"{name}_index" for name in texts]
    indexer = StringIndexer(inputCols=texts, outputCols=indexed, handleInvalid="keep").fit(train)
    labels = dict(zip(texts, indexer.labelsArray))
    # by descending frequency: what comes after the most that are kept is one category, as are the unseen and the missing
    index = {
        name: F.least(F.col(f"{name}_index"), F.lit(float(job["most"]))) for name in texts if name not in one_hot
    }
    # the index of the unseen keeps its place in the vector
    encoder = OneHotEncoder(
        inputCols=[f"{name}_index" for name in one_hot],
        outputCols=[f"{name}_vector" for name in one_hot],
        dropLast=False,
    )
    made = scaler.transform(assembler.transform(imputer.transform(indexer.transform(kept))))
    made = encoder.fit(made).transform(made)
    split = F.when(F.col("at") < train_cut, "train").when(F.col("at") < validation_cut, "validation").otherwise("test")
    made.select(
        "id",
        "label",
        "numbers",
        *[F.col(f"{name}_vector").alias(name) for name in one_hot],
        *[column.alias(name) for name, column in index.items()],
        split.alias("split"),
    ).write.mode("overwrite").partitionBy("split").parquet(f"{out}/features")
    return {
        "quarantined": quarantined,
        "numbers": {name: [mean, sd] for name, mean, sd in zip(numbers, scaler.mean.tolist(), scaler.std.tolist())},
        "texts": {name: list(values[: job["most"]]) for name, values in labels.items()},
        **profile,
    }


twice(work)
