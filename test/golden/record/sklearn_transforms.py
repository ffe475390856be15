"""Records what scikit-learn's preprocessing gives for a few columns, into test/golden/sklearn/transforms.json.

Run: python test/golden/record/sklearn_transforms.py   (needs numpy, scikit-learn)
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

nan = float("nan")
random = np.random.default_rng(7)
NUMBERS = {
    "few": [1.5, nan, -2.0, 4.0, 4.0, nan, 0.1, 1e6],
    "constant": [0.1] * 7,
    "one": [42.0],
    "mostly zero": [0.0] * 9 + [5.0, -3.0],
    "ties": [3.0, 1.0, 1.0, 2.0, 3.0, nan],
    "normal": random.normal(100, 15, 60).tolist(),
    "long tail": np.exp(random.normal(0, 3, 60)).tolist(),
}
TEXTS = {
    "plans": ["gold", "basic", "basic", "", "silver", "gold", "basic", "zürich", "Zebra"],
    "one": ["x"],
}
UNSEEN = ["never", "basic", "", "x"]


def column(values):
    return np.array(values, dtype=float).reshape(-1, 1)


def plain(values):
    return [None if value != value else float(value) for value in np.asarray(values, dtype=float).ravel()]


def scaled(scaler, values):
    present = column(values)
    return plain(scaler.fit_transform(present))


def frequency_order(values):
    present = [value for value in values if value != ""]
    return sorted(set(present), key=lambda value: (-present.count(value), value.encode()))


numbers = {}
for name, values in NUMBERS.items():
    numbers[name] = {
        "values": plain(values),
        **{
            f"impute {ours}": plain(SimpleImputer(strategy=theirs).fit_transform(column(values)))
            for ours, theirs in {"mean": "mean", "median": "median", "mode": "most_frequent"}.items()
        },
        "impute constant": plain(SimpleImputer(strategy="constant", fill_value=-7.0).fit_transform(column(values))),
        "indicator": plain(MissingIndicator(features="all").fit_transform(column(values))),
        "standard": scaled(StandardScaler(), values),
        "min_max": scaled(MinMaxScaler(), values),
        "robust": scaled(RobustScaler(), values),
        "log1p": plain(np.log1p(column(np.abs(values)))),
    }

texts = {}
for name, values in TEXTS.items():
    order = frequency_order(values)
    rows = np.array(values + UNSEEN, dtype=object).reshape(-1, 1)
    ordinal = OrdinalEncoder(categories=[order], handle_unknown="use_encoded_value", unknown_value=len(order))
    one_hot = OneHotEncoder(categories=[order], handle_unknown="ignore", sparse_output=False)
    fit_rows = np.array(order, dtype=object).reshape(-1, 1)
    texts[name] = {
        "values": values,
        "probe": values + UNSEEN,
        "index": plain(ordinal.fit(fit_rows).transform(rows)),
        "one_hot": one_hot.fit(fit_rows).transform(rows).tolist(),
    }

target = pathlib.Path(__file__).parent.parent / "sklearn" / "transforms.json"
target.parent.mkdir(parents=True, exist_ok=True)
record = {"scikit-learn": sklearn.__version__, "numbers": numbers, "texts": texts}
target.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
