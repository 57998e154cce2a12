"""Client of the Penstock storage gateway: many small objects at a time, for training.

>>> from penstock_client import Client
>>> client = Client("127.0.0.1:9002", bucket="train")
>>> images = client.get_many(keys)
"""

from ._version import __version__
from .client import Client
from .errors import (
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PenstockError,
    PermissionDeniedError,
    ProtocolError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from .types import CommonPrefix, Missing, ObjectInfo, ObjectRef, PutItem, SlotError

__all__ = [
    "Client",
    "CommonPrefix",
    "DataLossError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InvalidArgumentError",
    "Missing",
    "NotFoundError",
    "ObjectInfo",
    "ObjectRef",
    "OutOfRangeError",
    "PenstockError",
    "PermissionDeniedError",
    "ProtocolError",
    "PutItem",
    "ResourceExhaustedError",
    "SlotError",
    "UnauthenticatedError",
    "UnavailableError",
    "__version__",
]
