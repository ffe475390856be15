"""The windows of examples/fraud-transactions, computed row by row from the raw table and compared.

usage: windows.py TRANSACTIONS ROWS FEATURES... ; prints {rows, columns: {name: {different, largest_difference}}}
Counts must be equal. Sums are added by math.fsum, which rounds once; a mean may differ by its last bit.
"""

import json
import math
import sys

import numpy as np
import pandas as pd

DAY = np.timedelta64(1, "D")
raw = pd.read_parquet(sys.argv[1])
made = pd.concat([pd.read_parquet(file) for file in sys.argv[3:]], ignore_index=True)
if "__row" in made:
    assert (made["__row"].to_numpy() == np.arange(len(made))).all(), "rows are not in their order"
assert len(raw) == len(made)
assert (raw["TRANSACTION_ID"].to_numpy() == made["TRANSACTION_ID"].to_numpy()).all()

time = raw["TX_DATETIME"].to_numpy().astype("datetime64[us]")
groups = {
    key: {value: np.asarray(rows) for value, rows in raw.groupby(key).indices.items()}
    for key in ("CUSTOMER_ID", "TERMINAL_ID")
}
WINDOWS = [
    *[(f"customer_count_{d}d", "CUSTOMER_ID", None, d, 0) for d in (1, 7, 30)],
    *[(f"customer_mean_{d}d", "CUSTOMER_ID", "TX_AMOUNT", d, 0) for d in (1, 7, 30)],
    *[(f"terminal_count_{d}d", "TERMINAL_ID", None, d, 7) for d in (1, 7, 30)],
    *[(f"terminal_risk_{d}d", "TERMINAL_ID", "TX_FRAUD", d, 7) for d in (1, 7, 30)],
]
sample = np.sort(np.random.default_rng(7).choice(len(raw), int(sys.argv[2]), replace=False))
columns = {}
for name, by, of, days, delay in WINDOWS:
    keys = raw[by].to_numpy()
    values = None if of is None else raw[of].to_numpy().astype(float)
    found = made[name].to_numpy()
    different, largest, missing = 0, 0.0, 0
    for row in sample:
        history = groups[by][keys[row]]
        age = time[row] - time[history]
        seen = history[(age > delay * DAY) & (age <= (delay + days) * DAY)]
        if values is None:
            expected = float(len(seen))
        else:
            expected = math.fsum(values[seen]) / len(seen) if len(seen) > 0 else math.nan
        missing += math.isnan(expected)
        if math.isnan(expected) != math.isnan(found[row]):
            different, largest = different + 1, math.inf
        elif not math.isnan(expected) and expected != found[row]:
            different += 1
            largest = max(largest, abs(expected - found[row]) / abs(expected))
    columns[name] = {"different": different, "largest_relative_difference": largest, "missing": missing}
    assert largest < 1e-15 if of else different == 0, (name, columns[name])
print(json.dumps({"rows": len(sample), "columns": columns}))
