"""Asks a running server through NVIDIA's client of the Open Inference Protocol, with tensors as bytes and as JSON.

usage: triton_client.py HOST:PORT MODEL
Prints JSON: what the server and the model say of themselves, and for each way of sending and asking the dtype, shape and
bytes (hexadecimal) of every output.
"""
import json
import sys

import numpy as np
import tritonclient.http as http

address, model = sys.argv[1:]
client = http.InferenceServerClient(url=address)
rows = 257
at = np.arange(rows).reshape(-1, 1)
columns = {
    "income": ("FP64", at / 7 * 10.0 ** (at % 5)),
    "children": ("INT64", at.astype(np.int64) % 4),
    "owns home": ("BOOL", at % 2 == 0),
    "city": ("BYTES", np.array([["Oslo", "Rome", "Zürich 😀", ""][i % 4] for i in range(rows)], dtype=object).reshape(-1, 1)),
    "since": ("INT64", 1_500_000_000_000_000 + at.astype(np.int64) * 977_000_000_000),
}


def infer(binary_in, binary_out):
    inputs = []
    for name, (datatype, values) in columns.items():
        tensor = http.InferInput(name, values.shape, datatype)
        # texts as bytes, as the client wants them
        data = np.char.encode(values.astype(str), "utf-8").astype(object) if datatype == "BYTES" else values
        tensor.set_data_from_numpy(data, binary_data=binary_in)
        inputs.append(tensor)
    names = [output["name"] for output in metadata["outputs"]]
    outputs = None if binary_out is None else [http.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    result = client.infer(model, inputs, outputs=outputs, request_id="asked")
    answer = result.get_response()
    found = {}
    for name in names:
        values = result.as_numpy(name)
        if values.dtype == object:
            texts = [v.decode() if isinstance(v, bytes) else v for v in values.ravel().tolist()]
            found[name] = ["text", list(values.shape), texts]
        else:
            found[name] = [str(values.dtype), list(values.shape), values.tobytes().hex()]
    in_json = sorted(output["name"] for output in answer["outputs"] if "data" in output)
    return {"id": answer["id"], "outputs": found, "inJson": in_json}


metadata = client.get_model_metadata(model)
print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "modelReady": client.is_model_ready(model),
            "otherReady": client.is_model_ready("no_such_model"),
            "server": client.get_server_metadata(),
            "model": metadata,
            "rows": rows,
            "answers": {
                f"{sent} in, {asked} out": infer(sent == "bytes", {"bytes": True, "json": False, "default": None}[asked])
                for sent in ("bytes", "json")
                for asked in ("bytes", "json", "default")
            },
        }
    )
)
