"""The loan model with ONNX Runtime for the Python servers: rows to feeds, outputs to the answer that Millrace gives."""

import math
import os
from datetime import datetime, timezone
from typing import Optional

import numpy as np
import onnxruntime as ort
from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    """One record as it comes over HTTP; an unknown column is refused."""

    model_config = ConfigDict(extra="forbid")
    income: Optional[float]
    children: Optional[int]
    owns_home: Optional[bool] = Field(alias="owns home")
    city: Optional[str]
    since: Optional[datetime]


def open_session() -> ort.InferenceSession:
    """One thread, no spinning: the fastest on one core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


def micros(time: Optional[datetime]) -> int:
    if time is None:
        return -(2**63)
    zoned = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return round(zoned.timestamp() * 1e6)


def predict(session: ort.InferenceSession, rows: list[Row]) -> list[dict]:
    """Runs the rows as one batch."""
    n = len(rows)
    number = lambda values: np.array([math.nan if v is None else v for v in values], dtype=np.float64).reshape(n, 1)
    labels, probability = session.run(
        ["label", "probability"],
        {
            "income": number([r.income for r in rows]),
            "children": number([r.children for r in rows]),
            "owns home": number([r.owns_home for r in rows]),
            "city": np.array([r.city or "" for r in rows], dtype=object).reshape(n, 1),
            "since": np.array([micros(r.since) for r in rows], dtype=np.int64).reshape(n, 1),
        },
    )
    return [
        {"prediction": label, "probability_no": no, "probability_yes": yes}
        for label, (no, yes) in zip(labels.tolist(), probability.tolist())
    ]
