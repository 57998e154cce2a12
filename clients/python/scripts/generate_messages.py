"""Writes ``_descriptors.py`` and ``_messages.pyi`` from the ``.proto`` files; needs ``protoc``, of any version.

``python scripts/generate_messages.py``; with ``--check`` it writes nothing and ends with 1 when a file is not what it
would be.

Hardest decision: no code from ``protoc --python_out``. That code is bound to a range of protobuf runtimes, and it
registers its messages in the pool of the whole process, where ``google/rpc/status.proto`` of another package may be
already, or come later. What is kept instead is the descriptors, as data; ``_messages.py`` makes classes of them in a
pool of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from google.protobuf import any_pb2, descriptor_pb2, duration_pb2, timestamp_pb2

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "src" / "penstock_client"
PROTO = HERE.parents[2] / "proto"
#: In the order of their imports.
FILES = [
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
    "penstock/v1/types.proto",
    "penstock/v1/objects.proto",
    "penstock/v1/batches.proto",
]
F = descriptor_pb2.FieldDescriptorProto
TYPES = {
    F.TYPE_STRING: "str",
    F.TYPE_BYTES: "bytes",
    F.TYPE_BOOL: "bool",
    F.TYPE_ENUM: "int",
    F.TYPE_INT32: "int",
    F.TYPE_INT64: "int",
    F.TYPE_UINT32: "int",
    F.TYPE_UINT64: "int",
    F.TYPE_FIXED32: "int",
}


def compile_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """What protoc makes of the files.

    Those of google.protobuf are the runtime's own, also when protoc came without them.
    """
    known = descriptor_pb2.FileDescriptorSet()
    for module in (any_pb2, duration_pb2, timestamp_pb2):
        known.file.add().ParseFromString(module.DESCRIPTOR.serialized_pb)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "known"), Path(folder, "made")
        source.write_bytes(known.SerializeToString())
        command = ["protoc", f"--descriptor_set_in={source}", f"-I{PROTO}", f"--descriptor_set_out={target}", *FILES]
        subprocess.run(command, check=True)
        made = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    by_name = {file.name: file for file in made.file}
    return descriptor_pb2.FileDescriptorSet(file=[by_name[name] for name in FILES])


def descriptors_module(files: descriptor_pb2.FileDescriptorSet) -> str:
    """The source of ``_descriptors.py``."""
    lines = [
        '"""FileDescriptorProtos of proto/, in the order of their imports. Made by scripts/generate_messages.py."""',
        "",
    ]
    lines.append("FILES: tuple[bytes, ...] = (")
    for file in files.file:
        lines.append(f"    # {file.name}")
        text = file.SerializeToString(deterministic=True).hex()
        lines.append("    bytes.fromhex(")
        lines += [f'        "{part}"' for part in textwrap.wrap(text, 100)]
        lines.append("    ),")
    lines.append(")")
    return "\n".join(lines) + "\n"


def stubs_module(files: descriptor_pb2.FileDescriptorSet) -> str:
    """The source of ``_messages.pyi``."""
    lines = [
        "# Types of the messages in proto/. Made by scripts/generate_messages.py.",
        "from collections.abc import Iterable, Mapping, MutableMapping",
        "from typing import TypeVar",
        "",
    ]
    lines += ['_M = TypeVar("_M", bound="Message")', ""]
    lines += [
        "class Message:",
        "    @classmethod",
        "    def FromString(cls: type[_M], data: bytes) -> _M: ...",
        "    def SerializeToString(self) -> bytes: ...",
        "    def HasField(self, name: str) -> bool: ...",
        "",
        "class Repeated(list[_M]):",
        "    def add(self, **fields: object) -> _M: ...",
        "",
        "class Any(Message):",
        "    type_url: str",
        "    value: bytes",
        "    def __init__(self, *, type_url: str = ..., value: bytes = ...) -> None: ...",
        "",
    ]
    for name in ("Duration", "Timestamp"):
        lines += [f"class {name}(Message):", "    seconds: int", "    nanos: int"]
        lines += ["    def __init__(self, *, seconds: int = ..., nanos: int = ...) -> None: ...", ""]
    for file in files.file:
        for enum in file.enum_type:
            lines += [f"{value.name}: int" for value in enum.value] + [""]
        for message in file.message_type:
            lines += stub_of(message)
    return "\n".join(lines)


def stub_of(message: descriptor_pb2.DescriptorProto) -> list[str]:
    """The lines of one class."""
    maps = {nested.name for nested in message.nested_type}
    attributes, arguments = [], []
    for field in message.field:
        short = field.type_name.rsplit(".", 1)[-1]
        single = TYPES.get(field.type, short)
        repeated = field.label == F.LABEL_REPEATED
        if short in maps:
            kept, given = "MutableMapping[str, str]", "Mapping[str, str]"
        elif repeated:
            kept, given = (f"Repeated[{single}]" if single == short else f"list[{single}]"), f"Iterable[{single}]"
        else:
            kept = given = single
        attributes.append(f"    {field.name}: {kept}")
        arguments.append(f"        {field.name}: {given} | None = ...,")
    return [
        f"class {message.name}(Message):",
        *attributes,
        "    def __init__(",
        "        self,",
        "        *,",
        *arguments,
        "    ) -> None: ...",
        "",
    ]


def main() -> int:
    """Writes or checks the two files."""
    files = compile_descriptors()
    wanted = {PACKAGE / "_descriptors.py": descriptors_module(files), PACKAGE / "_messages.pyi": stubs_module(files)}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in sys.argv:
            print(f"{path} is not what proto/ says; run python scripts/generate_messages.py", file=sys.stderr)
        else:
            path.write_text(wanted[path])
            print(f"wrote {path}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
