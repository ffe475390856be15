"""The job of bench/etl/job.ts in pandas, with Arrow's Parquet reader and writer. usage: etl_pandas.py JOB.json"""

import json
import os
import sys
import time

import numpy as np
import pandas as pd

job = json.load(open(sys.argv[1]))
started = time.perf_counter()
numbers, texts, out = job["numbers"], job["texts"], job["out"]
frame = pd.concat([pd.read_parquet(file) for file in job["files"]], ignore_index=True)
rule = pd.Series(None, index=frame.index, dtype="object")
broken = [(f"non_null_columns.{job['not_null']}", frame[job["not_null"]].isna())]
for name, (low, high) in job["ranges"].items():
    broken.append((f"value_ranges.{name}", (frame[name] < low) | (frame[name] > high)))
for name, mask in reversed(broken):
    rule[mask] = name
is_kept = rule.isna()
os.makedirs(f"{out}/quarantine")
frame[~is_kept].assign(rule=rule[~is_kept]).to_parquet(f"{out}/quarantine/part.parquet", compression="zstd")
# a row that breaks two rules counts for both, and is written once
quarantined = {name: int(mask.sum()) for name, mask in broken}
frame = frame[is_kept]
at = frame["happened_at"].astype("datetime64[us]").astype("int64").astype("float64")
train_cut, validation_cut = np.quantile(at, job["shares"])
is_train = at < train_cut
made = {"id": frame["id"], "label": (frame["label"] == "yes").astype("int32")}
fitted, categories = {}, {}
train = frame[is_train]
for name in numbers:
    mean = train[name].mean()
    deviation = train[name].fillna(mean).std()
    fitted[name] = [mean, deviation]
    made[name] = ((frame[name].fillna(mean) - mean) / deviation).astype("float32")
for name in texts:
    counted = train[name].value_counts().reset_index()
    kept = counted.sort_values(["count", name], ascending=[False, True])[name].head(job["most"]).tolist()
    categories[name] = kept
    codes = pd.Index(kept, dtype=frame[name].dtype).get_indexer(frame[name])
    made[name] = np.where(codes < 0, len(kept), codes).astype("int32")
made["split"] = np.where(is_train, "train", np.where(at < validation_cut, "validation", "test"))
pd.DataFrame(made).to_parquet(f"{out}/features", partition_cols=["split"], compression="zstd", index=False)
facts = {"quarantined": quarantined, "numbers": fitted, "texts": categories, "seconds": time.perf_counter() - started}
with open(f"{out}/facts.json", "w") as file:
    json.dump(facts, file)
# Arrow's threads now and then abort a process that ends the usual way
os._exit(0)
