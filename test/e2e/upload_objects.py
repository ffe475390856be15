"""Uploads the files below a folder to a bucket: endpoint, access key, secret key, folder, bucket."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from pyarrow import fs

endpoint, access, secret, folder, bucket = sys.argv[1:]
store = fs.S3FileSystem(access_key=access, secret_key=secret, endpoint_override=endpoint, scheme="http",
                        region="us-east-1", allow_bucket_creation=True)
store.create_dir(bucket)


def put(path: str) -> None:
    with open(path, "rb") as file, store.open_output_stream(f"{bucket}/{os.path.relpath(path, folder)}") as out:
        out.write(file.read())


with ThreadPoolExecutor(16) as pool:
    list(pool.map(put, [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]))
