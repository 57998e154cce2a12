"""The dataset under DataLoader, with workers that are forked and spawned."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from conftest import TestClock, make_client
from fake_gateway import FakeGateway, keys_of, serving
from penstock_client import Client, NotFoundError, PermissionDeniedError, SlotError

if not os.environ.get("PENSTOCK_CI"):
    pytest.importorskip("torch")
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from penstock_client.torch import MapDataset, skipping

OBJECTS = {f"k{n}": bytes([n] * (n + 1)) for n in range(20)}
KEYS = list(OBJECTS)


def length_of(data: bytes) -> torch.Tensor:
    return torch.tensor(len(data))


def as_list(samples: list[Any]) -> list[Any]:
    return samples


def minus_one(error: SlotError) -> torch.Tensor:
    return torch.tensor(-1)


@pytest.fixture
def dataset(fake: FakeGateway, client: Client) -> MapDataset[bytes]:
    fake.on("GetBatch", serving(OBJECTS))
    return MapDataset(client, KEYS)


def test_nothing_is_asked_before_the_first_sample(fake: FakeGateway, dataset: MapDataset[bytes]) -> None:
    assert len(dataset) == 20
    assert fake.requests == []
    assert dataset[3] == OBJECTS["k3"]
    assert dataset[-1] == OBJECTS["k19"]
    assert fake.requests[1].bucket == "train"
    for index in (20, -21):
        with pytest.raises(IndexError):
            dataset[index]


def test_a_batch_is_one_call(fake: FakeGateway, dataset: MapDataset[bytes]) -> None:
    loader = DataLoader(dataset, batch_size=8, collate_fn=as_list)
    assert [sample for batch in loader for sample in batch] == list(OBJECTS.values())
    assert [len(keys_of(request)) for request in fake.requests] == [8, 8, 4]
    sampler = BatchSampler(SequentialSampler(dataset), 10, drop_last=False)
    loader = DataLoader(dataset, batch_size=None, sampler=sampler, collate_fn=as_list)
    assert [sample for batch in loader for sample in batch] == list(OBJECTS.values())
    assert [len(keys_of(request)) for request in fake.requests[3:]] == [10, 10]
    assert dataset[torch.tensor([4, 2])] == [OBJECTS["k4"], OBJECTS["k2"]]
    assert dataset[torch.tensor(4)] == OBJECTS["k4"]


def test_samples_are_transformed_and_have_targets(client: Client, dataset: MapDataset[bytes]) -> None:
    lengths = MapDataset(client, KEYS, transform=length_of, targets=list(range(100, 120)))
    images, targets = next(iter(DataLoader(lengths, batch_size=5)))
    assert images.tolist() == [1, 2, 3, 4, 5]
    assert targets.tolist() == [100, 101, 102, 103, 104]
    with pytest.raises(ValueError, match="2 targets for 20 keys"):
        MapDataset(client, KEYS, targets=[1, 2])


def test_what_is_missing_raises_is_skipped_or_replaced(client: Client, dataset: MapDataset[bytes]) -> None:
    keys = ["k1", "nowhere", "k2", "none"]
    with pytest.raises(NotFoundError, match="nowhere"):
        MapDataset(client, keys).__getitems__([0, 1])
    skip = MapDataset(client, keys, on_error="skip", transform=length_of)
    assert [int(one) for one in skip.__getitems__([0, 1, 2])] == [2, 3]
    assert skip[1] is None
    batches = list(DataLoader(skip, batch_size=1, collate_fn=skipping()))
    assert [None if batch is None else batch.tolist() for batch in batches] == [[2], None, [3], None]
    constant = MapDataset(client, keys, on_error="placeholder", placeholder=torch.tensor(0), transform=length_of)
    assert next(iter(DataLoader(constant, batch_size=4))).tolist() == [2, 0, 3, 0]
    made = MapDataset(
        client, keys, on_error="placeholder", placeholder=minus_one, transform=length_of, targets=KEYS[:4]
    )
    lengths, targets = next(iter(DataLoader(made, batch_size=4)))
    assert lengths.tolist() == [2, -1, 3, -1]
    assert list(targets) == KEYS[:4]
    with pytest.raises(ValueError, match="on_error"):
        MapDataset(client, keys, on_error="ignore")  # type: ignore[arg-type]


def test_keys_may_be_an_array_or_a_file(client: Client, dataset: MapDataset[bytes], tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    for array in (numpy.array(KEYS), numpy.array([key.encode() for key in KEYS])):
        assert MapDataset(client, array).__getitems__([1, 0]) == [OBJECTS["k1"], OBJECTS["k0"]]
    numpy.save(tmp_path / "keys.npy", numpy.array(KEYS))
    mapped = numpy.load(tmp_path / "keys.npy", mmap_mode="r")
    assert MapDataset(client, mapped)[19] == OBJECTS["k19"]
    (tmp_path / "keys.txt").write_text("\n".join(KEYS))
    from_file = MapDataset(client, tmp_path / "keys.txt")
    assert len(from_file) == 20
    assert from_file.__getitems__([19, 0]) == [OBJECTS["k19"], OBJECTS["k0"]]
    assert len(pickle.dumps(MapDataset(Client(), tmp_path / "keys.txt"))) < 2000


@pytest.mark.parametrize(
    ("workers", "method"), [(0, None), (1, "fork"), (4, "fork"), (1, "spawn"), (4, "spawn"), (2, "forkserver")]
)
def test_workers_read_every_sample_once_an_epoch(
    workers: int, method: str | None, real: Client, samples: dict[str, bytes]
) -> None:
    keys = list(samples)
    # The parent uses the client before, between and after: what a forked worker inherits is in use.
    assert real.get_many(keys) == list(samples.values())
    dataset = MapDataset(real, keys, targets=range(len(keys)))
    loader = DataLoader(
        dataset,
        batch_size=8,
        sampler=RandomSampler(dataset),
        num_workers=workers,
        multiprocessing_context=method,
        collate_fn=as_list,
        persistent_workers=workers > 0,
        timeout=120 if workers else 0,
    )
    for _ in range(2):
        seen: dict[int, bytes] = {}
        for batch in loader:
            assert real.get(keys[0]) == samples[keys[0]]
            seen.update({target: data for data, target in batch})
        assert [seen[place] for place in range(len(keys))] == list(samples.values())
    del loader
    assert real.get_many(keys) == list(samples.values())


def test_an_error_comes_out_of_a_worker_with_its_class(real: Client, samples: dict[str, bytes]) -> None:
    dataset = MapDataset(real, [*samples, "nowhere"])
    loader = DataLoader(dataset, batch_size=4, num_workers=1, multiprocessing_context="fork", collate_fn=as_list)
    with pytest.raises(NotFoundError, match="nowhere"):
        list(loader)


def test_options_make_the_client_where_it_is_used(gateway: Any, samples: dict[str, bytes], clock: TestClock) -> None:
    keys = list(samples)[:4]
    options = {"target": gateway.target, "access_key": None, "secret_key": None, "bucket": "train"}
    with pytest.raises(PermissionDeniedError):
        MapDataset(options, keys)[0]
    with make_client(gateway.target, bucket=None) as client:
        assert MapDataset(client, keys, bucket="train").__getitems__([2]) == [samples[keys[2]]]
