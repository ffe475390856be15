"""Scores a CSV with model.onnx in Python's ONNX Runtime alone and compares with what `millrace predict` wrote.

usage: same_predictions.py MODEL.onnx DATA SCORED.csv
Prints JSON: rows, largest difference of a probability (or relative of a prediction), rows whose label differs.
"""
import json
import sys

import numpy as np
import onnxruntime
import pandas

model, data, scored = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
metadata = json.loads(session.get_modelmeta().custom_metadata_map["millrace"])
if data.endswith(".parquet"):
    frame = pandas.read_parquet(data)
else:
    with open(data, encoding="utf-8-sig") as file:
        semicolons = file.readline().count(";")
    separator = ";" if semicolons > 0 else ","
    frame = pandas.read_csv(data, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
ours = pandas.read_csv(scored, dtype=str, keep_default_na=False)

feeds = {}
for column in session.get_inputs():
    values = frame[column.name]
    if column.type == "tensor(string)":
        feeds[column.name] = values.fillna("").astype(str).to_numpy(dtype=object).reshape(-1, 1)
    elif column.type == "tensor(double)":
        number = values
        if not pandas.api.types.is_numeric_dtype(values):
            number = values.str.strip().str.lower().replace({"true": "1", "false": "0"})
        feeds[column.name] = pandas.to_numeric(number, errors="coerce").to_numpy(dtype=np.float64).reshape(-1, 1)
    elif column.type == "tensor(int64)":
        times = pandas.to_datetime(values.replace({"": None}), utc=True, format="ISO8601")
        micros = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
        feeds[column.name] = micros.reshape(-1, 1)
    else:
        raise SystemExit(f"input {column.name} has the type {column.type}")

names = [output.name for output in session.get_outputs()]
answers = dict(zip(names, session.run(names, feeds)))
if "probability" in answers:
    classes = metadata["task"]["classes"]
    theirs = np.stack([ours[f"probability_{name}"].to_numpy(dtype=np.float64) for name in classes], axis=1)
    difference = float(np.abs(answers["probability"] - theirs).max())
    wrong = int((answers["label"] != ours["prediction"].to_numpy(dtype=object)).sum())
else:
    theirs = ours["prediction"].to_numpy(dtype=np.float64)
    difference = float((np.abs(answers["prediction"] - theirs) / np.maximum(1, np.abs(theirs))).max())
    wrong = 0
print(json.dumps({"rows": len(frame), "difference": difference, "wrong": wrong, "version": onnxruntime.__version__}))
