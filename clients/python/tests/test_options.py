"""Where the gateway is and who asks."""

from __future__ import annotations

import pickle

import pytest

from penstock_client import Client, PenstockError
from penstock_client._options import Options, channel_count, endpoint_of, key_of
from penstock_client.errors import NotFoundError

PEM = "-----BEGIN CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("options", "env", "host_and_port", "tls"),
    [
        (Options(), {}, "127.0.0.1:9002", None),
        (Options(), {"PENSTOCK_GRPC_ENDPOINT": "gw:1"}, "gw:1", None),
        (Options(target="here:2"), {"PENSTOCK_GRPC_ENDPOINT": "gw:1"}, "here:2", None),
        (Options(target="https://here:2/"), {}, "here:2", b""),
        (Options(target="https://here:2", secure=False), {}, "here:2", None),
        (Options(target="http://[::1]:2"), {}, "[::1]:2", None),
        (Options(target="here:2", secure=True), {}, "here:2", b""),
        (Options(target="here:2", ca_certificate=PEM), {}, "here:2", PEM.encode()),
        (Options(target="here:2", ca_certificate=b"der"), {}, "here:2", b"der"),
    ],
)
def test_addresses(options: Options, env: dict[str, str], host_and_port: str, tls: bytes | None) -> None:
    endpoint = endpoint_of(options, env)
    assert (endpoint.host_and_port, endpoint.tls) == (host_and_port, tls)


def test_a_certificate_may_be_a_file(tmp_path) -> None:
    (tmp_path / "ca.pem").write_text(PEM)
    assert endpoint_of(Options(ca_certificate=str(tmp_path / "ca.pem")), {}).tls == PEM.encode()


@pytest.mark.parametrize("target", ["here", "here:port", "ftp://here:1", "a b:1", "::1:9"])
def test_addresses_that_are_none(target: str) -> None:
    with pytest.raises(ValueError, match="write it as HOST:PORT"):
        Client(target)


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="secure=False"):
        Client("a:1", secure=False, ca_certificate=PEM)
    for access_key, secret_key in [("abc", None), (None, "secretsecret"), ("a", "secretsecret"), ("abc", "short")]:
        with pytest.raises(ValueError, match="PENSTOCK_"):
            Client("a:1", access_key, secret_key)
    for channels in (0, 65, "many", 1.5):
        with pytest.raises(ValueError, match="channels is"):
            Client("a:1", channels=channels)  # type: ignore[arg-type]


def test_credentials_of_the_environment() -> None:
    env = {"PENSTOCK_ACCESS_KEY": "abc", "PENSTOCK_SECRET_KEY": "secretsecret"}
    assert key_of(Options(), env) == ("abc", "secretsecret")
    assert key_of(Options(access_key="xyz", secret_key="another-secret"), env) == ("xyz", "another-secret")
    assert key_of(Options(), {}) is None
    assert 1 <= channel_count("auto") <= 4


def test_a_client_shows_and_pickles_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_ACCESS_KEY", "abc")
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "secretsecret")
    client = Client("here:1", bucket="train", channels=3)
    pickled = pickle.dumps(client)
    assert b"secretsecret" not in pickled
    again = pickle.loads(pickled)
    assert (again.target, again.bucket, again._connection.channels) == ("here:1", "train", 3)
    given = Client("here:1", "xyz", "other-secret")
    assert "other-secret" not in repr(given) + repr(given._options)


def test_errors_survive_pickling_and_are_made_from_a_message_alone() -> None:
    error = NotFoundError("a: none", reason="NoSuchKey", key="a", retry_after=1.5)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.reason, again.key, again.retry_after, again.retryable) == (
        NotFoundError,
        "a: none",
        error.code,
        "NoSuchKey",
        "a",
        1.5,
        True,
    )
    assert isinstance(NotFoundError("text of a worker"), PenstockError)
