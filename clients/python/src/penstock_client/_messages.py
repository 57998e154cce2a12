"""The messages of ``penstock.v1`` as classes, made of their descriptors in a pool of our own.

Promises: only what every protobuf runtime from 4.21 on offers is used, and nothing is registered that other packages
(googleapis-common-protos, grpcio-status, a second copy of this one) could clash with. ``_messages.pyi`` has the types.
"""

from __future__ import annotations

from google.protobuf import any_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2

from ._descriptors import FILES

_POOL = descriptor_pool.DescriptorPool()
for _module in (any_pb2, duration_pb2, timestamp_pb2):
    _POOL.AddSerializedFile(_module.DESCRIPTOR.serialized_pb)
for _file in FILES:
    _POOL.AddSerializedFile(_file)

# 4.22 made it a function; the factory before that must outlive its classes.
_FACTORY = None if hasattr(message_factory, "GetMessageClass") else message_factory.MessageFactory(_POOL)


def _message(name: str):  # type: ignore[no-untyped-def]
    descriptor = _POOL.FindMessageTypeByName(name)
    return message_factory.GetMessageClass(descriptor) if _FACTORY is None else _FACTORY.GetPrototype(descriptor)


Any = _message("google.protobuf.Any")
Duration = _message("google.protobuf.Duration")
Timestamp = _message("google.protobuf.Timestamp")
Status = _message("google.rpc.Status")
ErrorInfo = _message("google.rpc.ErrorInfo")
RetryInfo = _message("google.rpc.RetryInfo")

ObjectInfo = _message("penstock.v1.ObjectInfo")
ByteRange = _message("penstock.v1.ByteRange")
PutHeader = _message("penstock.v1.PutHeader")

HeadRequest = _message("penstock.v1.HeadRequest")
GetRequest = _message("penstock.v1.GetRequest")
GetChunk = _message("penstock.v1.GetChunk")
PutChunk = _message("penstock.v1.PutChunk")
DeleteRequest = _message("penstock.v1.DeleteRequest")
DeleteResponse = _message("penstock.v1.DeleteResponse")
ListRequest = _message("penstock.v1.ListRequest")
ListPage = _message("penstock.v1.ListPage")

SampleRef = _message("penstock.v1.SampleRef")
GetBatchRequest = _message("penstock.v1.GetBatchRequest")
BatchFrame = _message("penstock.v1.BatchFrame")
Entry = _message("penstock.v1.Entry")
BatchEnd = _message("penstock.v1.BatchEnd")
PutFrame = _message("penstock.v1.PutFrame")
PutEntry = _message("penstock.v1.PutEntry")
PutResult = _message("penstock.v1.PutResult")

ORDER_COMPLETION: int = _POOL.FindEnumTypeByName("penstock.v1.Order").values_by_name["ORDER_COMPLETION"].number
ORDER_STRICT: int = _POOL.FindEnumTypeByName("penstock.v1.Order").values_by_name["ORDER_STRICT"].number
