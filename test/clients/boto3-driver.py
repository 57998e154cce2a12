"""Calls of boto3 for tests: reads one call a line as JSON, answers one line each.

{"do": "call", "name": "put_object", "args": {...}}   a method of the client
{"do": "pages", ...}                                   every page of a paginator
{"do": "wait", ...}                                    a waiter
{"do": "sign", ...}                                    a presigned URL
{"do": "transfer", ...}                                upload_file, download_file, upload_fileobj ... by s3transfer, in parts of 5 MiB

{"$file": PATH} as an argument is the open file, {"$text": TEXT} its bytes. A body of an answer comes as its size and SHA-256.
"""

import datetime
import hashlib
import json
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, access_key, secret_key, region = sys.argv[1:5]
client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    aws_access_key_id=access_key,
    aws_secret_access_key=secret_key,
    region_name=region,
    config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
transfer = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)


def given(value):
    if isinstance(value, dict):
        if "$file" in value:
            return open(value["$file"], "rb")
        if "$text" in value:
            return value["$text"].encode()
        return {name: given(inner) for name, inner in value.items()}
    return [given(inner) for inner in value] if isinstance(value, list) else value


def told(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "read"):
        body = value.read()
        return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    raise TypeError(f"cannot tell {value!r}")


def answer(do, name, args):
    if do == "call":
        return getattr(client, name)(**args)
    if do == "pages":
        return list(client.get_paginator(name).paginate(**args))
    if do == "wait":
        return client.get_waiter(name).wait(**args)
    if do == "sign":
        return client.generate_presigned_url(name, **args)
    if do == "transfer":
        return getattr(client, name)(**args, Config=transfer)
    raise ValueError(do)


print(json.dumps(boto3.__version__), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    try:
        reply = {"ok": answer(request["do"], request["name"], given(request["args"]))}
    except ClientError as error:
        reply = {"refused": [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]]}
    except Exception as error:
        reply = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply, default=told), flush=True)
