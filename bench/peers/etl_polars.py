"""The job of bench/etl/job.ts in Polars, lazy, by its streaming engine. usage: etl_polars.py JOB.json"""

import json
import os
import sys
import time

os.environ.setdefault("POLARS_MAX_THREADS", "2")
import polars as pl

job = json.load(open(sys.argv[1]))
started = time.perf_counter()
numbers, texts, out = job["numbers"], job["texts"], job["out"]
broken = {f"non_null_columns.{job['not_null']}": pl.col(job["not_null"]).is_null()}
for name, (low, high) in job["ranges"].items():
    broken[f"value_ranges.{name}"] = (pl.col(name) < low) | (pl.col(name) > high)
rule = pl.coalesce(*[pl.when(is_broken).then(pl.lit(name)) for name, is_broken in broken.items()])
judged = pl.scan_parquet(job["files"]).with_columns(rule=rule)
kept = judged.filter(pl.col("rule").is_null()).drop("rule")
os.makedirs(f"{out}/quarantine")
at = pl.col("happened_at").dt.epoch("us").cast(pl.Float64)
write = judged.filter(pl.col("rule").is_not_null()).sink_parquet(
    f"{out}/quarantine/part.parquet", compression="zstd", lazy=True
)
counts, cuts, _ = pl.collect_all(
    [
        # a row that breaks two rules counts for both, and is written once
        judged.select(**{name: is_broken.sum() for name, is_broken in broken.items()}),
        kept.select(*[at.quantile(share, interpolation="linear").alias(str(share)) for share in job["shares"]]),
        write,
    ],
    engine="streaming",
)
train_cut, validation_cut = cuts.row(0)
train = kept.filter(at < train_cut)
n = pl.len().cast(pl.Float64)
moments = train.select(
    *[pl.col(name).mean().alias(name) for name in numbers],
    *[(pl.col(name).var() * (pl.col(name).count() - 1) / (n - 1)).sqrt().alias(f"{name}_sd") for name in numbers],
)
vocabularies = [
    train.group_by(name).len().drop_nulls().sort(["len", name], descending=[True, False]).head(job["most"])
    for name in texts
]
moments, *vocabularies = pl.collect_all([moments, *vocabularies], engine="streaming")
fitted = {name: [moments[name][0], moments[f"{name}_sd"][0]] for name in numbers}
categories = {name: found[name].to_list() for name, found in zip(texts, vocabularies)}
made = kept.select(
    "id",
    (pl.col("label") == "yes").cast(pl.Int32).alias("label"),
    *[((pl.col(c).fill_null(m) - m) / s).cast(pl.Float32).alias(c) for c, (m, s) in fitted.items()],
    *[
        pl.col(c).replace_strict(v, range(len(v)), default=len(v), return_dtype=pl.Int32).alias(c)
        for c, v in categories.items()
    ],
    split=pl.when(at < train_cut).then(pl.lit("train")).when(at < validation_cut).then(pl.lit("validation")).otherwise(pl.lit("test")),
)
made.sink_parquet(pl.PartitionBy(f"{out}/features", key="split", include_key=False), compression="zstd", mkdir=True, engine="streaming")
facts = {
    "quarantined": counts.row(0, named=True),
    "numbers": fitted,
    "texts": categories,
    "seconds": time.perf_counter() - started,
}
json.dump(facts, open(f"{out}/facts.json", "w"))
