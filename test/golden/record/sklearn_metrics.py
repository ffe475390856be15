"""Records what scikit-learn scores on small cases: python test/golden/record/sklearn_metrics.py

Writes test/golden/sklearn/metrics.json, which src/evaluate/metrics.test.ts compares with.
"""
import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.simplefilter("ignore")
OUT = Path(__file__).parent.parent / "sklearn" / "metrics.json"


def clean(value):
    value = float(value)
    return value if np.isfinite(value) else None


def binary(name, labels, scores, weights=None, threshold=0.5):
    labels = np.asarray(labels, dtype=np.int64)
    # what a model answers: 32-bit probabilities, of both classes
    p1 = np.asarray(scores, dtype=np.float32)
    probabilities = np.stack([np.float32(1) - p1, p1], axis=1).astype(np.float64)
    p1 = probabilities[:, 1]
    predicted = (p1 >= threshold).astype(np.int64)
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    two = len(set(labels.tolist())) == 2
    k = {"sample_weight": w}
    fpr, tpr, roc_thresholds = m.roc_curve(labels, p1, drop_intermediate=False, **k) if two else ([], [], [])
    precision, recall, pr_thresholds = m.precision_recall_curve(labels, p1, **k) if two else ([], [], [])
    expected = {
        "accuracy": m.accuracy_score(labels, predicted, **k),
        "balanced_accuracy": m.balanced_accuracy_score(labels, predicted, **k),
        "precision": m.precision_score(labels, predicted, zero_division=0, **k),
        "log_loss": m.log_loss(labels, probabilities, labels=[0, 1], **k),
        "brier": m.brier_score_loss(labels, p1, pos_label=1, labels=[0, 1], **k),
    }
    if labels.sum() > 0:
        expected["recall"] = m.recall_score(labels, predicted, zero_division=0, **k)
        expected["f1"] = m.f1_score(labels, predicted, zero_division=0, **k)
    if two:
        expected["roc_auc"] = m.roc_auc_score(labels, p1, **k)
        expected["average_precision"] = m.average_precision_score(labels, p1, **k)
    return {
        "name": name,
        "classes": 2,
        "labels": labels.tolist(),
        "probabilities": probabilities.ravel().tolist(),
        "weights": None if w is None else w.tolist(),
        "threshold": threshold,
        "metrics": {key: clean(value) for key, value in expected.items()},
        "confusion": m.confusion_matrix(labels, predicted, labels=[0, 1], sample_weight=w).ravel().tolist(),
        "roc": {"fpr": list(fpr), "tpr": list(tpr)},
        "pr": {"precision": list(precision)[::-1], "recall": list(recall)[::-1]},
    }


def many(name, labels, logits, weights=None):
    labels = np.asarray(labels, dtype=np.int64)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    # quantised so that rows sum to exactly one and many tie
    q = np.floor(e / e.sum(axis=1, keepdims=True) * 64)
    q[:, 0] += 64 - q.sum(axis=1)
    probabilities = q / 64
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    k = {"sample_weight": w}
    expected = {
        "accuracy": m.accuracy_score(labels, predicted, **k),
        "balanced_accuracy": m.balanced_accuracy_score(labels, predicted, **k),
        "precision": m.precision_score(labels, predicted, average="macro", zero_division=0, **k),
        "recall": m.recall_score(labels, predicted, average="macro", zero_division=0, **k),
        "f1": m.f1_score(labels, predicted, average="macro", zero_division=0, **k),
        "log_loss": m.log_loss(labels, probabilities, labels=list(range(classes)), **k),
        "brier": m.brier_score_loss(labels, probabilities, labels=list(range(classes)), scale_by_half=True, **k),
    }
    if len(set(labels.tolist())) == classes:
        one_hot = np.eye(classes)[labels]
        expected["roc_auc"] = m.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro", **k)
        expected["average_precision"] = m.average_precision_score(one_hot, probabilities, average="macro", **k)
    return {
        "name": name,
        "classes": classes,
        "labels": labels.tolist(),
        "probabilities": probabilities.ravel().tolist(),
        "weights": None if w is None else w.tolist(),
        "metrics": {key: clean(value) for key, value in expected.items()},
        "confusion": m.confusion_matrix(labels, predicted, labels=list(range(classes)), sample_weight=w).ravel().tolist(),
    }


def regression(name, actual, predicted, weights=None):
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    actual, predicted = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    k = {"sample_weight": w}
    expected = {
        "mae": m.mean_absolute_error(actual, predicted, **k),
        "rmse": m.root_mean_squared_error(actual, predicted, **k),
    }
    if len(set(actual.tolist())) > 1:
        expected["r2"] = m.r2_score(actual, predicted, **k)
    return {
        "name": name,
        "actual": actual.tolist(),
        "predicted": predicted.tolist(),
        "weights": None if w is None else w.tolist(),
        "metrics": {key: clean(value) for key, value in expected.items()},
    }


rng = np.random.default_rng(20261124)
n = 300
y = (rng.random(n) < 0.3).astype(int)
smooth = 1 / (1 + np.exp(-(1.5 * y - 1 + rng.normal(size=n))))
w = rng.exponential(size=n)
w[::17] = 0
rare = (rng.random(n) < 0.02).astype(int)
rare[3] = 1
y3 = rng.integers(0, 4, n)
logits = rng.normal(size=(n, 4)) + 1.2 * np.eye(4)[y3]
x = rng.normal(size=n) * 10 + 1e6

document = {
    "scikit-learn": sklearn.__version__,
    "binary": [
        binary("distinct scores", y, smooth),
        binary("distinct scores, weights", y, smooth, w),
        binary("ties", y, np.round(smooth, 1)),
        binary("ties, weights, another threshold", y, np.round(smooth, 1), w, 0.3),
        binary("all scores equal", y, np.full(n, 0.4)),
        binary("rare positives", rare, np.round(0.3 * smooth + 0.3 * rare, 2)),
        binary("perfect", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
        binary("upside down", [0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]),
        binary("sure, sometimes wrong", [0, 1, 1, 0, 1], [0, 1, 0, 1, 1]),
        binary("nothing predicted positive", [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]),
        binary("no positive rows", [0, 0, 0], [0.1, 0.6, 0.3]),
        binary("positive rows only", [1, 1, 1], [0.1, 0.6, 0.3]),
        binary("one row", [1], [0.7]),
    ],
    "many": [
        many("four classes", y3, logits),
        many("four classes, weights", y3, logits, w),
        many("a class without rows", np.where(y3 == 2, 1, y3), logits),
        many("one class never predicted", y3, logits - 50 * np.eye(4)[3]),
    ],
    "regression": [
        regression("large values", x, x + rng.normal(size=n)),
        regression("weights", x, x + rng.normal(size=n), w),
        regression("worse than the mean", [1, 2, 3], [30, -20, 10]),
        regression("constant label", [0.1, 0.1, 0.1], [0.1, 0.2, 0.3]),
        regression("one row", [5], [7]),
    ],
}
OUT.parent.mkdir(exist_ok=True)
OUT.write_text(json.dumps(document, separators=(",", ":")) + "\n")
