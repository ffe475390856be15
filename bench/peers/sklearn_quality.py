"""scikit-learn on the rows and features that a pipeline published: logistic regression and an MLP, scored on test rows.

usage: sklearn_quality.py FEATURES_FOLDER LABEL POSITIVE_INDEX SEED
Settings (C; penalty of the MLP, which stops early on a tenth of the training rows) are those with the least log
loss on validation rows; so is the threshold of the accuracy the best there. Category indices are one-hot encoded.
"""
import json
import os
import sys
import warnings

import numpy as np
import pandas
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder

warnings.filterwarnings("ignore")
folder, label, positive, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
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
is_train = (frame["split"] == "train").to_numpy()
blocks = [frame[numeric].to_numpy(dtype=np.float64)]
if categorical:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(frame.loc[is_train, categorical])
    blocks.append(encoder.transform(frame[categorical]))
x = np.concatenate(blocks, axis=1)
y = (frame[label].to_numpy() == positive).astype(int)
rows = {split: (frame["split"] == split).to_numpy() for split in ("train", "validation", "test")}


def best(models):
    def loss(model):
        return log_loss(y[rows["validation"]], model.predict_proba(x[rows["validation"]])[:, 1])
    return min((model.fit(x[rows["train"]], y[rows["train"]]) for model in models), key=loss)


def scores(model):
    p, q = (model.predict_proba(x[rows[split]])[:, 1] for split in ("validation", "test"))
    cuts = np.unique(np.quantile(p, np.linspace(0, 1, 201)))
    cut = max(cuts, key=lambda c: ((p >= c) == y[rows["validation"]]).mean())
    truth = y[rows["test"]]
    return dict(accuracy=float(((q >= cut) == truth).mean()), roc_auc=float(roc_auc_score(truth, q)),
                log_loss=float(log_loss(truth, q)))


logistic = best([LogisticRegression(C=c, max_iter=2000) for c in (0.1, 1.0)])
mlp = best([MLPClassifier(hidden_layer_sizes=(64,), alpha=a, early_stopping=True, random_state=seed) for a in (1e-4, 1e-1)])
print(json.dumps(dict(rows=int(rows["test"].sum()), logistic_regression=scores(logistic), mlp=scores(mlp))))
