"""A whole gateway, built by ``npm run build``, as a process of its own on ports of the system's choice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ENTRY = ROOT / "dist" / "main.js"
ACCESS_KEY, SECRET_KEY = "root-of-tests", "secret-of-tests"
BUCKET = "train"


def absence() -> str | None:
    """Why there can be none; where tests must not be skipped that is an error."""
    missing = None
    if shutil.which("node") is None:
        missing = "node is not installed"
    elif not ENTRY.exists():
        missing = f"{ENTRY} is missing: run npm run build"
    if missing and os.environ.get("PENSTOCK_CI"):
        raise RuntimeError(missing)
    return missing


class RealGateway:
    def __init__(self, folder: Path, ports: tuple[str, str, str] = ("0", "0", "0"), more: Sequence[str] = ()) -> None:
        self.folder = folder
        self._more = more
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        self._env |= {"PENSTOCK_ACCESS_KEY": ACCESS_KEY, "PENSTOCK_SECRET_KEY": SECRET_KEY}
        self._start(ports)

    def _start(self, ports: tuple[str, str, str]) -> None:
        s3, admin, grpc = (f"127.0.0.1:{port}" for port in ports)
        command = [
            "node",
            str(ENTRY),
            "serve",
            str(self.folder),
            "--s3",
            s3,
            "--admin",
            admin,
            "--grpc",
            grpc,
            *self._more,
        ]
        self._log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        self.process = subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, stderr=self._log, text=True)
        banner = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            banner += line
            if "Stop with Ctrl-C" in line:
                break
        else:
            log = Path(self._log.name).read_text()
            raise RuntimeError(f"the gateway did not start ({self.process.wait()}):\n{banner}\n{log}")

        def address(name: str) -> str:
            found = re.search(rf"^ {{4}}{name} +https?://(\S+)", banner, re.MULTILINE)
            assert found, banner
            return found[1]

        self.s3, self.admin, self.target = address("S3"), address("admin"), address("gRPC")

    def make_bucket(self, name: str) -> None:
        command = ["node", str(ENTRY), "bucket", "create", name, "--endpoint", f"http://{self.s3}"]
        subprocess.run(command, env=self._env, check=True, stdout=subprocess.DEVNULL)

    def restart(self, before: signal.Signals = signal.SIGKILL) -> None:
        """Ends it and starts it on the same ports."""
        self.stop(before)
        ports = tuple(address.rsplit(":", 1)[1] for address in (self.s3, self.admin, self.target))
        self._start(ports)  # type: ignore[arg-type]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
