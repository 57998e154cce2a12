"""Tokens are the same bytes that every other client of Penstock mints."""

from __future__ import annotations

import pytest

from conftest import TestClock
from fake_gateway import FakeGateway, serving
from penstock_client import _token
from penstock_client._token import TokenSource, mint_token
from real_gateway import ROOT

GOLDEN = [
    (
        "PENSTOCKEXAMPLE00001",
        "tRU5Ca7pQ2mVwz0Xq1cJ8sYh4dLk6nBfGe3oWi9u",
        1_767_225_600.999,
        "penstock1.PENSTOCKEXAMPLE00001.1767225600.DsseRZ8y_jNH5y-kCkfO2HE0z6vqezr9GoD8YgE5Ml4",
    ),
    (
        "a.b-c_d.1.2",
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        1,
        "penstock1.a.b-c_d.1.2.1._utnbJDspzaQvrU-A3FzmDt9LpB-lfOrwJ3naJ9NYlw",
    ),
    (
        "long",
        "k" * 256,
        999_999_999_999,
        "penstock1.long.999999999999.-kxqDhZ-PqbEj5lseLSAGqQntLe5UswXIFpJ0W7mDZY",
    ),
]


@pytest.mark.parametrize(("access_key", "secret_key", "expires_s", "token"), GOLDEN)
def test_a_token_is_the_golden_one(access_key: str, secret_key: str, expires_s: float, token: str) -> None:
    assert mint_token(access_key, secret_key, expires_s) == token


def test_the_golden_tokens_are_those_of_the_gateway() -> None:
    theirs = (ROOT / "test/format/bearer-token.test.ts").read_text()
    for *_, token in GOLDEN:
        assert token in theirs


@pytest.mark.parametrize("expires_s", [0, 0.9, -1, float("nan"), float("inf"), 1e12])
def test_an_expiry_that_is_no_time_is_refused(expires_s: float) -> None:
    with pytest.raises(ValueError, match="seconds since the Unix epoch"):
        mint_token("abc", "secretsecret", expires_s)


def test_a_token_is_used_for_half_of_its_life() -> None:
    now = 100_000.0
    source = TokenSource("abc", "secretsecret", lambda: now)
    first = source.fresh()
    now += _token.TOKEN_LIFE_S / 2 - 1
    assert source.fresh() == first
    now += 1
    second = source.fresh()
    assert second != first
    assert f".{int(now + _token.TOKEN_LIFE_S)}." in second
    now -= 5000
    assert source.fresh() not in (first, second), "a clock that was set back makes a new one"


def test_calls_carry_a_fresh_token_and_anonymous_ones_none(fake: FakeGateway, connect, clock: TestClock) -> None:
    fake.on("GetBatch", serving({"a": b"1"}))
    client = connect(fake.target, clock.clock())
    client.get_many(["a"])
    clock.ahead += 1000
    client.get_many(["a"])
    connect(fake.target, access_key=None, secret_key=None).get_many(["a"])
    first, second, anonymous = (given.get("authorization") for given in fake.metadata)
    assert first != second
    assert anonymous is None
