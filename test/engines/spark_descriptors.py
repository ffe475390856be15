"""Prints, as JSON, what the installed pyspark says of the protocol: {descriptors: [base64 of each FileDescriptorProto],
rpc: {name: text of google/rpc/*.proto in its jar}}. Takes the folder of pyspark; needs no package beside Python's own."""

import ast
import base64
import glob
import json
import os
import sys
import zipfile

folder = sys.argv[1]
descriptors = []
for path in sorted(glob.glob(os.path.join(folder, "sql/connect/proto/*_pb2.py"))):
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            descriptors.append(base64.b64encode(node.args[0].value).decode())
(jar,) = glob.glob(os.path.join(folder, "jars/spark-connect_*.jar"))
with zipfile.ZipFile(jar) as archive:
    rpc = {name: archive.read(f"google/rpc/{name}.proto").decode() for name in ("status", "error_details")}
print(json.dumps({"descriptors": descriptors, "rpc": rpc}))
