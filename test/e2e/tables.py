"""Writes tables that come with scikit-learn, as a person would export them.

usage: tables.py FOLDER
wine.csv (three classes), breast_cancer.parquet (two), diabetes.csv (a number; semicolons): labels as text, names as they
are, and a first column that numbers the rows. Prints JSON: {name: rows}.
"""
import json
import os
import sys

from sklearn import datasets

folder = sys.argv[1]
rows = {}
for name in ("wine", "breast_cancer", "diabetes"):
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.frame.copy()
    frame.insert(0, "sample no", range(1, len(frame) + 1))
    if name != "diabetes":
        frame["target"] = [str(bunch.target_names[k]) for k in frame["target"]]
    path = os.path.join(folder, name)
    if name == "breast_cancer":
        frame.to_parquet(f"{path}.parquet", index=False)
    else:
        frame.to_csv(f"{path}.csv", index=False, sep=";" if name == "diabetes" else ",")
    rows[name] = len(frame)
print(json.dumps(rows))
