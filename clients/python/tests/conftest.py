"""What the tests share: a fake gateway for each test, one real gateway for all, and a clock without waiting."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

import real_gateway
from fake_gateway import FakeGateway
from penstock_client import Client
from penstock_client._options import Options
from penstock_client._pacing import Clock
from real_gateway import ACCESS_KEY, BUCKET, SECRET_KEY, RealGateway

SAMPLES = real_gateway.ROOT / "samples"
for name in [name for name in os.environ if name.startswith("PENSTOCK_") and name != "PENSTOCK_CI"]:
    del os.environ[name]


class TestClock:
    """Real time, but for pauses: they are noted and not waited for."""

    __test__ = False

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.ahead = 0.0

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.ahead += seconds

    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: time.monotonic() + self.ahead,
            wall=lambda: time.time() + self.ahead,
            sleep=self.sleep,
            random=lambda: 0.5,
        )


def make_client(target: str, clock: Clock | None = None, **options: object) -> Client:
    given: dict[str, object] = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "bucket": BUCKET, **options}
    client = Client.__new__(Client)
    client.__setstate__(Options(target=target, clock=clock or Clock(), **given))  # type: ignore[arg-type]
    return client


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    yield gateway
    gateway.stop()


@pytest.fixture
def client(fake: FakeGateway, clock: TestClock) -> Iterator[Client]:
    with make_client(fake.target, clock.clock()) as made:
        yield made


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGateway]:
    absence = real_gateway.absence()
    if absence:
        pytest.skip(absence)
    made = RealGateway(tmp_path_factory.mktemp("gateway") / "data")
    try:
        made.make_bucket(BUCKET)
        yield made
    finally:
        made.stop(signal.SIGKILL)


@pytest.fixture
def real(gateway: RealGateway) -> Iterator[Client]:
    with make_client(gateway.target) as made:
        yield made


@pytest.fixture(scope="session")
def samples(gateway: RealGateway) -> dict[str, bytes]:
    """The sample images by key, stored in the gateway."""
    images = {
        str(path.relative_to(SAMPLES)): path.read_bytes()
        for path in sorted(SAMPLES.rglob("*"))
        if path.is_file() and path.parent != SAMPLES
    }
    assert images
    with make_client(gateway.target) as client:
        client.put_many(images.items())
    return images


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Makes clients that are closed when the test ends."""
    made: list[Client] = []

    def connect(target: str, clock: Clock | None = None, **options: object) -> Client:
        made.append(make_client(target, clock, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close()
