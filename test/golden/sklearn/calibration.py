"""Writes calibration.json: what scikit-learn's calibrators make of fixed rows. Run with .venv/bin/python from this folder."""
import json

import numpy as np
import sklearn
from sklearn.calibration import _TemperatureScaling
from sklearn.isotonic import IsotonicRegression

rng = np.random.default_rng(7)


def isotonic(x, y, w):
    least = 1 / (2 * (len(x) + 1))
    model = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(x.astype(float), y, w)
    return model


def binary(name, rows, digits, weighted):
    z = rng.normal(size=rows) * 2
    y = (rng.uniform(size=rows) < 1 / (1 + np.exp(-z / 2 + 0.5))).astype(int)
    x = np.round(1 / (1 + np.exp(-z)), digits).astype(np.float32)
    w = np.where(y == 1, 1.0, 3.5) if weighted else None
    at = np.concatenate([np.linspace(0, 1, 101), x[:50]]).astype(np.float32)
    model = isotonic(x, y, w)
    return dict(name=name, scores=x.tolist(), labels=y.tolist(), weights=None if w is None else w.tolist(),
                at=at.tolist(), predicted=model.predict(at.astype(float)).tolist(), knots=len(model.X_thresholds_))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def many():
    rows, k = 400, 3
    z = rng.normal(size=(rows, k)) * 2
    y = np.array([rng.choice(k, p=p) for p in softmax(z / 2)])
    p = softmax(z).astype(np.float32)
    w = np.array([1.0, 2.0, 0.5])[y]
    out = np.stack([isotonic(p[:, c], (y == c).astype(int), w).predict(p[:, c].astype(float)) for c in range(k)], axis=1)
    return dict(probabilities=p.ravel().tolist(), labels=y.tolist(), weights=w.tolist(),
                predicted=(out / out.sum(axis=1, keepdims=True)).ravel().tolist())


def temperature(name, rows, k, by, weighted):
    z = (rng.normal(size=(rows, k)) * 3).astype(np.float32)
    y = np.array([rng.choice(k, p=p) for p in softmax(z * by)])
    w = np.linspace(0.2, 2, k)[y] if weighted else None
    model = _TemperatureScaling().fit(z, y, w)
    return dict(name=name, logits=z.ravel().tolist(), classes=k, labels=y.tolist(),
                weights=None if w is None else w.tolist(), sharpness=float(model.beta_))


cases = dict(
    scikit_learn=sklearn.__version__,
    binary=[binary("few ties", 300, 6, False), binary("many ties, weighted", 400, 2, True)],
    many=many(),
    temperature=[temperature("two classes, too sure", 500, 2, 0.4, False),
                 temperature("four classes, not sure enough, weighted", 500, 4, 1.7, True)],
)
with open("calibration.json", "w") as file:
    json.dump(cases, file)
    file.write("\n")
print([c["sharpness"] for c in cases["temperature"]], [c["knots"] for c in cases["binary"]])
