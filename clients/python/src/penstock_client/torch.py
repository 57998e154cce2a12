"""A dataset for PyTorch that asks for a batch in one call.

    loader = DataLoader(MapDataset(client, keys, transform=decode), batch_size=256, shuffle=True, num_workers=4)

Promises: nothing is listed or read before the first sample is asked for; a dataset can be pickled and carried through a
fork; whatever order the sampler gives, each batch is one GetBatch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Literal, TypeVar

import torch.utils.data

from .client import Client
from .keys import KeyFile
from .types import SlotError, key_text

T = TypeVar("T")


class MapDataset(torch.utils.data.Dataset[Any], Generic[T]):
    """Objects by their place in a list of keys.

    Args:
        client: the gateway; or the keyword arguments of ``Client``, as a mapping.
        keys: any sequence of keys: a list, a numpy array of text or bytes (also memory-mapped), or the path of a file
            with one key a line.
        bucket: where they are; by default the client's.
        transform: makes a sample of an object's bytes, in the worker; without it a sample is ``bytes``. What it raises
            is not caught.
        targets: a sequence as long as ``keys``; then samples are (sample, target).
        on_error: what becomes of a sample whose object is missing or damaged, or cannot be had in time:
            "raise": its ``PenstockError``;
            "skip": batches are shorter by it. The sampler counts it all the same, and an empty batch is possible:
            ``collate_fn`` must take one (``skipping`` makes one that does). A single ``dataset[i]`` gives None;
            "placeholder": ``placeholder`` takes its place.
        placeholder: the sample to use then, as ``transform`` would give it; or a function of the ``SlotError`` that
            gives one.
        timeout: seconds for one batch, attempts included; by default the client's.
    """

    def __init__(
        self,
        client: Client | dict[str, Any],
        keys: Sequence[str] | str | os.PathLike[str],
        *,
        bucket: str | None = None,
        transform: Callable[[bytes], T] | None = None,
        targets: Sequence[Any] | None = None,
        on_error: Literal["raise", "skip", "placeholder"] = "raise",
        placeholder: T | Callable[[SlotError], T] | None = None,
        timeout: float | None = None,
    ) -> None:
        if on_error not in ("raise", "skip", "placeholder"):
            raise ValueError(f'on_error is {on_error!r}; expected "raise", "skip" or "placeholder"')
        self.client = Client(**client) if isinstance(client, dict) else client
        self.keys: Sequence[str] = KeyFile(keys) if isinstance(keys, (str, os.PathLike)) else keys
        if targets is not None and len(targets) != len(self.keys):
            raise ValueError(f"there are {len(targets)} targets for {len(self.keys)} keys")
        self.bucket = bucket
        self.transform = transform
        self.targets = targets
        self.on_error = on_error
        self.placeholder = placeholder
        self.timeout = timeout

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int | Sequence[int]) -> Any:
        """One sample; or a list of samples for a list of places, as ``batch_size=None`` with a batch sampler asks."""
        if hasattr(index, "__iter__") and getattr(index, "ndim", 1) > 0:
            return self.__getitems__(index)
        return next(iter(self.__getitems__([index])), None)  # type: ignore[list-item]

    def __getitems__(self, indices: Iterable[int]) -> list[Any]:
        """Samples of these places, in their order: one GetBatch."""
        places = [self._place(int(index)) for index in indices]
        keys = [key_text(self.keys[place]) for place in places]
        results = self.client.get_many(keys, bucket=self.bucket, on_error="return", timeout=self.timeout)
        samples = []
        for place, result in zip(places, results, strict=True):
            if isinstance(result, bytes):
                samples.append(self._sample(place, self.transform(result) if self.transform else result))
            elif self.on_error == "raise":
                raise result.error
            elif self.on_error == "placeholder":
                samples.append(self._sample(place, self._stand_in(result)))
        return samples

    def _place(self, index: int) -> int:
        count = len(self.keys)
        if not -count <= index < count:
            raise IndexError(f"sample {index} of {count}")
        return index % count

    def _sample(self, place: int, sample: Any) -> Any:
        return sample if self.targets is None else (sample, self.targets[place])

    def _stand_in(self, error: SlotError) -> Any:
        return self.placeholder(error) if callable(self.placeholder) else self.placeholder


class _Skipping:
    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Any]) -> Any:
        return self.collate(samples) if samples else None


def skipping(collate: Callable[[list[Any]], Any] = torch.utils.data.default_collate) -> Callable[[list[Any]], Any]:
    """A ``collate_fn`` for ``on_error="skip"``: as the given one, and None for a batch of which nothing is left."""
    return _Skipping(collate)


__all__ = ["MapDataset", "skipping"]
