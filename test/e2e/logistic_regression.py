"""scikit-learn's logistic regression on the same training rows, scored on the same test rows.

usage: logistic_regression.py FEATURES_FOLDER LABEL POSITIVE_INDEX [CLASS_WEIGHTS_JSON]
FEATURES_FOLDER is what the pipeline published: its manifest names the files. Category indices are one-hot encoded.
Prints JSON with ROC-AUC and average precision on the test rows, each with a 95 % bootstrap interval (1,000 resamples of
rows), C chosen on the validation rows.
"""
import json
import os
import sys

import numpy as np
import pandas
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import OneHotEncoder

folder, label, positive = sys.argv[1], sys.argv[2], int(sys.argv[3])
weights = json.loads(sys.argv[4]) if len(sys.argv) > 4 else None
with open(os.path.join(folder, "manifest.json")) as file:
    manifest = json.load(file)
parts = []
for entry in manifest["files"]:
    part = pandas.read_parquet(os.path.join(folder, entry["path"]))
    part["split"] = entry["path"].split("split=")[1].split("/")[0]
    parts.append(part)
frame = pandas.concat(parts)
names = [c for c in frame.columns if c not in ("split", label, *manifest["keys"])]
categorical = [c for c in names if str(frame[c].dtype).lower().startswith("int")]
numeric = [c for c in names if c not in categorical]
train = frame["split"] == "train"
encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
blocks = [frame[numeric].to_numpy(dtype=np.float64)]
if categorical:
    encoder.fit(frame.loc[train, categorical])
    blocks.append(encoder.transform(frame[categorical]))
x = np.concatenate(blocks, axis=1)
y = (frame[label].to_numpy() == positive).astype(int)


def scores(model, split):
    rows = (frame["split"] == split).to_numpy()
    p = model.predict_proba(x[rows])[:, 1]
    w = None if weights is None else np.where(y[rows] == 1, weights[1], weights[0])
    return {
        "roc_auc": float(roc_auc_score(y[rows], p, sample_weight=w)),
        "average_precision": float(average_precision_score(y[rows], p, sample_weight=w)),
    }


best = None
for c in (0.01, 0.1, 1.0, 10.0):
    model = LogisticRegression(C=c, max_iter=5000).fit(x[train.to_numpy()], y[train.to_numpy()])
    found = scores(model, "validation")["roc_auc"]
    if best is None or found > best[0]:
        best = (found, c, model)

rows = (frame["split"] == "test").to_numpy()
p = best[2].predict_proba(x[rows])[:, 1]
w = np.ones(rows.sum()) if weights is None else np.where(y[rows] == 1, weights[1], weights[0])
rng = np.random.default_rng(0)
samples = {"roc_auc": [], "average_precision": []}
for _ in range(1000):
    i = rng.integers(0, len(p), len(p))
    if 0 < y[rows][i].sum() < len(i):
        samples["roc_auc"].append(roc_auc_score(y[rows][i], p[i], sample_weight=w[i]))
        samples["average_precision"].append(average_precision_score(y[rows][i], p[i], sample_weight=w[i]))
intervals = {name + "_interval": [float(q) for q in np.quantile(found, [0.025, 0.975])] for name, found in samples.items()}
print(json.dumps({**intervals, "C": best[1], "rows": int((frame["split"] == "test").sum()), **scores(best[2], "test")}))
