"""Records test/dashboard/telco.json: the documents of a run on the telco table, as the run page takes them.

python test/golden/record/run_page_fixture.py Telco-Customer-Churn.csv test/dashboard/telco.json
The model is scikit-learn's, so the page can be judged on real numbers without running the pipeline.
"""
import hashlib
import json
import sys
import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn import metrics as m

source, target = sys.argv[1:]
rng = np.random.default_rng(7)
raw = pd.read_csv(source, keep_default_na=False)
raw["TotalCharges"] = pd.to_numeric(raw["TotalCharges"], errors="coerce")
digest = lambda text: "sha256:" + hashlib.sha256(text.encode()).hexdigest()
types = {c: "integer" if c in ("SeniorCitizen", "tenure") else "number" if raw[c].dtype.kind == "f" else "text" for c in raw}
schema = [{"name": c, "type": types[c]} for c in raw]
out_of_range = raw["MonthlyCharges"] > 118.5
data = raw[~out_of_range]

def profile(c):
    s = data[c]
    p = {"name": c, "type": types[c], "missing": int(s.isna().sum()), "distinct": int(s.nunique())}
    if types[c] == "text":
        t = sorted(s.value_counts().items(), key=lambda kv: (-kv[1], kv[0]))[:20]
        return p | {"top": [{"value": k, "count": int(v)} for k, v in t]}
    v = s.dropna()
    return p | {"min": float(v.min()), "max": float(v.max()), "mean": float(v.mean()), "stddev": float(v.std()),
                "histogram": [int(x) for x in np.histogram(v, 20)[0]]}

u = np.array([int(hashlib.md5(k.encode()).hexdigest()[:8], 16) / 2**32 for k in data["customerID"]])
split = np.where(u < 0.7, "train", np.where(u < 0.85, "validation", "test"))
y = (data["Churn"] == "Yes").to_numpy().astype(int)
numbers = [c for c in data if types[c] != "text"]
texts = [c for c in data if types[c] == "text" and c not in ("customerID", "Churn")]
train = data[split == "train"]
columns, blocks = [], []
f = lambda v: f"{v:.6g}"
for c in data:
    if c in ("customerID", "Churn"):
        columns.append({"name": c, "type": types[c], "role": "excluded", "reason": "the entity" if c == "customerID" else "the label",
                        "steps": [], "outputs": [], "isDefault": True})
    elif c in numbers:
        fill = train[c].median()
        s = train[c].fillna(fill)
        blocks.append(((data[c].fillna(fill) - s.mean()) / s.std()).to_numpy()[:, None])
        columns.append({"name": c, "type": types[c], "role": "feature", "steps": [f"impute median ({f(fill)})",
                        f"scale standard (mean {f(s.mean())}, sd {f(s.std())})"], "outputs": [c], "isDefault": c != "TotalCharges"})
    else:
        values = list(train[c].value_counts().index)
        blocks.append(np.stack([(data[c] == v).to_numpy() for v in values], 1).astype(float))
        columns.append({"name": c, "type": "text", "role": "feature", "steps": [f"index by frequency ({len(values)} values)", "one-hot"],
                        "outputs": [f"{c}={v}" for v in values], "isDefault": True})
x = np.hstack(blocks)
part = lambda s: (x[split == s], y[split == s])
counts = {s: int((split == s).sum()) for s in ("train", "validation", "test")}
classes = {k: {s: int(((split == s) & (y == i)).sum()) for s in counts} for i, k in enumerate(["No", "Yes"])}

net = MLPClassifier((64, 32), alpha=1e-4, learning_rate_init=1e-3, batch_size=256, random_state=7)
epochs, best, models = [], 0, []
import copy
for e in range(1, 31):
    net.partial_fit(*part("train"), classes=[0, 1])
    xv, yv = part("validation")
    pv = net.predict_proba(xv)[:, 1]
    epochs.append({"epoch": e, "learningRate": 0.001 * 0.5 * (1 + np.cos(np.pi * (e - 1) / 100)), "trainLoss": float(m.log_loss(part("train")[1], net.predict_proba(part("train")[0]))),
                   "validationLoss": float(m.log_loss(yv, pv)), "metrics": {"accuracy": float(m.accuracy_score(yv, pv > 0.5)), "roc_auc": float(m.roc_auc_score(yv, pv))},
                   "seconds": 0.11 + 0.001 * (e % 5)})
    models.append(copy.deepcopy(net))
    best = min(range(len(epochs)), key=lambda i: epochs[i]["validationLoss"])
    if len(epochs) - 1 - best >= 5:
        break
net = models[best]
pv, yv = net.predict_proba(part("validation")[0])[:, 1], part("validation")[1]
threshold = float(max(sorted(set(pv)), key=lambda t: m.f1_score(yv, pv >= t)))
xt, yt = part("test")
pt = net.predict_proba(xt)[:, 1]
def scores(y, p):
    h = p >= threshold
    return {"accuracy": m.accuracy_score(y, h), "log_loss": m.log_loss(y, p, labels=[0, 1]), "roc_auc": m.roc_auc_score(y, p), "average_precision": m.average_precision_score(y, p),
            "precision": m.precision_score(y, h, zero_division=0), "recall": m.recall_score(y, h), "f1": m.f1_score(y, h)}
def interval(y, p, names=None, n=300):
    point = scores(y, p)
    draws = [scores(y[i], p[i]) for i in (rng.integers(0, len(y), len(y)) for _ in range(n)) if 0 < y[i].sum() < len(y)]
    return {k: {"value": float(v), "low": float(np.quantile([d[k] for d in draws], 0.025)), "high": float(np.quantile([d[k] for d in draws], 0.975))}
            for k, v in point.items() if names is None or k in names}
def thin(rows, n=200):
    keep = sorted({round(i) for i in np.linspace(0, len(rows) - 1, n)})
    return [rows[i] for i in keep]
fpr, tpr, th = m.roc_curve(yt, pt, drop_intermediate=False)
pr, rc, th2 = m.precision_recall_curve(yt, pt)
bins = []
edges = np.linspace(0, 1, 11)
for a, b in zip(edges, edges[1:]):
    k = (pt >= a) & ((pt < b) | (b == 1))
    if k.sum():
        bins.append({"predicted": float(pt[k].mean()), "observed": float(yt[k].mean()), "count": int(k.sum())})
ece = float(sum(abs(b["predicted"] - b["observed"]) * b["count"] for b in bins) / len(yt))
slices = []
test = data[split == "test"]
for c in ("Contract", "InternetService", "PaymentMethod"):
    for v in sorted(test[c].unique()):
        k = (test[c] == v).to_numpy()
        slices.append({"column": c, "value": v, "rows": int(k.sum()), "metric": "roc_auc", "score": interval(yt[k], pt[k], ["roc_auc"], 200)["roc_auc"]})
roc_auc = interval(yt, pt)
rules = [
    {"id": "required_columns", "rule": "required_columns", "expectation": "customerID, tenure, MonthlyCharges, TotalCharges and Churn exist", "severity": "fail", "passed": True, "violations": 0, "examples": []},
    {"id": "unique_columns.customerID", "rule": "unique_columns", "column": "customerID", "expectation": "customerID is unique", "severity": "drop", "passed": True, "violations": 0, "examples": []},
    {"id": "non_null_columns.TotalCharges", "rule": "non_null_columns", "column": "TotalCharges", "expectation": "TotalCharges is not missing", "severity": "warn", "passed": False,
     "violations": int(raw["TotalCharges"].isna().sum()), "examples": list(raw["customerID"][raw["TotalCharges"].isna()][:3])},
    {"id": "value_ranges.MonthlyCharges", "rule": "value_ranges", "column": "MonthlyCharges", "expectation": "0 <= MonthlyCharges <= 118.5", "severity": "drop", "passed": False,
     "violations": int(out_of_range.sum()), "examples": [str(v) for v in raw["MonthlyCharges"][out_of_range][:3]]},
    {"id": "value_ranges.tenure", "rule": "value_ranges", "column": "tenure", "expectation": "0 <= tenure <= 100", "severity": "drop", "passed": True, "violations": 0, "examples": []},
    {"id": "min_records", "rule": "min_records", "expectation": "at least 1000 rows", "severity": "fail", "passed": True, "violations": 0, "examples": []},
]
ref = lambda name, media, size: {"digest": digest(name), "mediaType": media, "size": size}
parquet = "application/vnd.apache.parquet"
prevalence = yt.mean()
document = {
    "table": {"schema": schema, "rows": len(raw), "files": [{"ref": ref("source", parquet, 182344), "rows": len(raw)}]},
    "validation": {"rowsIn": len(raw), "rowsOut": len(data), "passed": True, "rules": rules,
                   "quarantine": {"schema": schema, "rows": int(out_of_range.sum()), "files": [{"ref": ref("quarantine", parquet, 4211), "rows": int(out_of_range.sum())}]},
                   "columns": [profile(c) for c in data]},
    "features": {"label": "Churn", "task": {"kind": "classification", "classes": ["No", "Yes"], "positive": "Yes"},
                 "split": {"method": "hash of customerID", "counts": counts, "classes": classes}, "columns": columns, "numeric": len(numbers), "categories": len(texts)},
    "training": {"trainer": "embedded", "modelType": "neural_network", "parameters": int(sum(w.size for w in net.coefs_ + net.intercepts_)), "epochs": epochs, "bestEpoch": best + 1, "stoppedEarly": True},
    "evaluation": {"split": "test", "rows": len(yt), "task": {"kind": "classification", "classes": ["No", "Yes"], "positive": "Yes"}, "metrics": roc_auc,
                   "threshold": {"value": threshold, "rule": "the best F1 on validation rows"}, "confusion": m.confusion_matrix(yt, pt >= threshold).tolist(),
                   "roc": thin([{"fpr": float(a), "tpr": float(b), "threshold": min(1.0, float(c))} for a, b, c in zip(fpr, tpr, th)]),
                   "precisionRecall": thin([{"recall": float(a), "precision": float(b), "threshold": float(c)} for a, b, c in zip(rc, pr, list(th2) + [1.0])]),
                   "calibration": {"bins": bins, "ece": ece, "brier": float(m.brier_score_loss(yt, pt))}, "slices": slices,
                   "baseline": {"accuracy": float(1 - prevalence), "log_loss": float(m.log_loss(yt, np.full(len(yt), y[split == "train"].mean()))), "roc_auc": 0.5,
                                "average_precision": float(prevalence), "precision": float(prevalence), "recall": 1.0, "f1": float(2 * prevalence / (1 + prevalence))},
                   "parity": {"rows": len(yt), "maxDifference": 2.3e-7, "tolerance": 1e-6},
                   "gate": {"passed": True, "metric": "roc_auc", "value": roc_auc["roc_auc"]["value"], "minimum": 0.8, "champion": {"version": 2, "value": 0.8341},
                            "reasons": ["roc_auc is at least 0.8", "not worse than version 2"]}},
    "registration": {"name": "churn", "version": 3, "aliases": ["champion"], "model": ref("model", "application/x-onnx", 61440)},
    "sampleRow": {c: (int(raw[c][0]) if types[c] == "integer" else float(raw[c][0]) if types[c] == "number" else raw[c][0]) for c in raw if c not in ("customerID", "Churn")},
}
with open(target, "w") as file:
    json.dump(document, file, indent=1, ensure_ascii=False)
    file.write("\n")
print(len(epochs), best + 1, threshold, {k: round(v["value"], 4) for k, v in roc_auc.items()})
