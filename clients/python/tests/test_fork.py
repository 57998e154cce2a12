"""Processes that are forked, spawned or sent a client, while the parent goes on using it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from penstock_client import Client
from penstock_client._fork import ForkGate
from real_gateway import RealGateway

FORKS = 6


def in_child(work: Callable[[], bool]) -> int:
    """Forks, works and ends; a child that hangs ends itself."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(60)
        code = 0 if work() else 2
    finally:
        os._exit(code)


def assert_all_well(pids: list[int]) -> None:
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)


def read_all(client: Client, samples: dict[str, bytes]) -> bool:
    return client.get_many(list(samples)) == list(samples.values())


def test_children_of_a_client_in_use(real: Client, samples: dict[str, bytes]) -> None:
    assert read_all(real, samples)
    for _ in range(3):
        children = [in_child(lambda: read_all(real, samples)) for _ in range(FORKS)]
        assert read_all(real, samples)
        assert_all_well(children)
    assert read_all(real, samples)


def test_children_of_a_client_that_other_threads_are_using(real: Client, samples: dict[str, bytes]) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def busy() -> None:
        try:
            while not stop.is_set():
                assert read_all(real, samples)
                assert sum(1 for _ in real.list()) >= len(samples)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            assert_all_well([in_child(lambda: read_all(real, samples)) for _ in range(FORKS)])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_children_of_a_client_that_writes(real: Client) -> None:
    children: list[int] = []

    def source():
        for n in range(3000):
            if n % 1000 == 500:
                children.append(in_child(lambda: real.put("of/child", b"x").size == 1))
            yield f"forked/{n}", b"data" * 50

    assert len(real.put_many(source())) == 3000
    assert_all_well(children)


def test_a_child_leaves_open_streams_of_its_parent_alone(real: Client, samples: dict[str, bytes]) -> None:
    keys = list(samples) * 40
    results = real.iter_many(keys)
    batches = real.iter_batches([list(samples)] * 6, prefetch=3)
    found = dict([next(results)])
    first = next(batches)

    def drop() -> bool:
        nonlocal results, batches
        results = batches = None  # type: ignore[assignment]
        gc.collect()
        return read_all(real, samples)

    assert_all_well([in_child(drop) for _ in range(FORKS)])
    found.update(results)
    assert [found[index] for index in range(len(keys))] == [samples[key] for key in keys]
    assert [first, *batches] == [list(samples.values())] * 6


def _read_in_process(work: tuple[Client, list[str]]) -> list[bytes]:
    client, keys = work
    return [bytes(found) for found in client.get_many(keys)]  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_client_is_sent_to_processes(method: str, real: Client, samples: dict[str, bytes]) -> None:
    assert read_all(real, samples)
    keys = list(samples)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        for found in pool.map(_read_in_process, [(real, keys)] * 4):
            assert found == list(samples.values())
    assert read_all(real, samples)


def test_a_fork_waits_for_who_is_inside_and_holds_off_who_comes() -> None:
    gate = ForkGate()
    inside, leave, forked = threading.Event(), threading.Event(), threading.Event()
    late: list[bool] = []

    def stay() -> None:
        with gate:
            inside.set()
            leave.wait(10)

    def come_late() -> None:
        with gate:
            late.append(forked.is_set())

    def fork() -> None:
        gate.before_fork()
        forked.set()
        gate.after_fork_in_parent()

    staying = threading.Thread(target=stay)
    staying.start()
    assert inside.wait(10)
    forking = threading.Thread(target=fork)
    forking.start()
    while not gate.is_wanted:
        assert forking.is_alive()
    coming = threading.Thread(target=come_late)
    coming.start()
    assert not forked.wait(0.05)
    leave.set()
    for thread in (staying, forking, coming):
        thread.join(10)
    assert late == [True]


def test_a_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_client._fork.FORK_WAIT_S", 0.05)
    gate = ForkGate()
    with gate:
        threading.Thread(target=gate.before_fork).start()
        while not gate.is_wanted:
            pass
    gate.after_fork_in_parent()
    with gate:
        assert not gate.is_wanted


def test_every_process_has_connections_of_its_own(gateway: RealGateway, real: Client) -> None:
    real.stat("nothing")
    lanes = real._connection._lanes

    def look() -> bool:
        return real._connection._lanes is None and real.stat("nothing") is None and real._connection._lanes is not lanes

    assert_all_well([in_child(look)])
    assert real._connection._lanes is lanes
