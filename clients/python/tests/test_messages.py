"""The messages are what proto/ says, and share a process with everybody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from real_gateway import ROOT

HERE = Path(__file__).resolve().parent
GENERATOR = HERE.parent / "scripts" / "generate_messages.py"


def run(program: str, **env: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(HERE.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-W", "error::DeprecationWarning:penstock_client", "-c", textwrap.dedent(program)]
    env = {**os.environ, "PYTHONPATH": paths, **env}
    return subprocess.run(command, check=False, env=env, capture_output=True, text=True)


def test_they_are_current() -> None:
    if shutil.which("protoc") is None and not os.environ.get("PENSTOCK_CI"):
        pytest.skip("protoc is not installed")
    command = [sys.executable, str(GENERATOR), "--check"]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


ROUND_TRIP = """
    from penstock_client import _messages as pb
    frame = pb.BatchFrame(payload=b"abc")
    frame.entries.add(slot=3, length=3, crc32=0xFFFFFFFF, object_size=2**63)
    frame.end.server_time.seconds = 7
    again = pb.BatchFrame.FromString(frame.SerializeToString())
    assert again == frame and again.entries[0].crc32 == 0xFFFFFFFF and not again.entries[0].HasField("error")
    assert frame.SerializeToString().endswith(b"\\x7a\\x03abc"), "the payload is last on the wire"
    ref = pb.SampleRef(key="k")
    assert not ref.range.HasField("end")
    ref.range.end = 0
    assert ref.range.HasField("end")
    info = pb.ObjectInfo(metadata={"a": "b"})
    assert dict(pb.ObjectInfo.FromString(info.SerializeToString()).metadata) == {"a": "b"}
"""


@pytest.mark.parametrize("implementation", ["", "python"])
def test_they_work_on_every_implementation_of_protobuf(implementation: str) -> None:
    env = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation} if implementation else {}
    done = run(ROUND_TRIP, **env)
    assert done.returncode == 0, done.stderr


OTHERS = """
    from google.protobuf import descriptor_pb2, descriptor_pool
    def register():
        for name, package in [("google/rpc/status.proto", "google.rpc"), ("penstock/v1/types.proto", "penstock.v1")]:
            file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
            for message in ("Status", "ObjectInfo"):
                file.message_type.add(name=message).field.add(name="other", number=99, type=9, label=1)
            descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
"""


@pytest.mark.parametrize("order", ["register()\n{trip}", "{trip}\nregister()"])
@pytest.mark.parametrize("implementation", ["", "python"])
def test_messages_of_the_same_name_do_not_clash(order: str, implementation: str) -> None:
    env = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation} if implementation else {}
    trip = textwrap.dedent(ROUND_TRIP)
    done = run(textwrap.dedent(OTHERS) + order.format(trip=trip), **env)
    assert done.returncode == 0, done.stderr


def test_googleapis_common_protos_may_be_there() -> None:
    pytest.importorskip("google.rpc.status_pb2")
    program = (
        textwrap.dedent(ROUND_TRIP)
        + "from google.rpc import status_pb2, error_details_pb2\nstatus_pb2.Status(code=5)\n"
    )
    assert run(program).returncode == 0
    program = "from google.rpc import status_pb2, error_details_pb2\n" + textwrap.dedent(ROUND_TRIP)
    assert run(program).returncode == 0
