"""Several hosts on this machine: network namespaces on one bridge, each with a name and its way to a shared folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

PROGRAMS = ("ip", "unshare", "mount", "hostname")
ENTER = 'hostname "$1" && mount --bind "$2" "$3" && shift 3 && exec "$@"'


@cache
def able() -> str:
    """Why hosts cannot be made here; nothing if they can."""
    if os.geteuid() != 0 or (lacking := [name for name in PROGRAMS if not shutil.which(name)]):
        return "needs to be root" if os.geteuid() != 0 else f"needs {', '.join(lacking)}"
    name = f"pdemill-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    return "network namespaces cannot be made here" if made.returncode else ""


class Host:
    """A host of its own: address, name, processes, and where it sees the shared folder."""

    def __init__(self, network: Network, name: str, number: int) -> None:
        self.name, self.address = name, f"{network.subnet}.{number}"
        self._network, self._space = network, f"{network.bridge}-{name}"
        self._link = f"{network.bridge}v{number}"
        self.data = network.folder / "hosts" / name
        self.data.mkdir(parents=True)
        self.processes: list[subprocess.Popen[bytes]] = []
        ip("netns", "add", self._space)
        ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self._space)
        ip("link", "set", self._link, "master", network.bridge, "up")
        for words in (
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", self._space, *words)

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
        """Start a program on this host; its output goes to a file of the host."""
        enter = ["ip", "netns", "exec", self._space, "unshare", "--uts", "--mount", "sh", "-c", ENTER, "sh"]
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                [*enter, self.name, str(self._network.shared), str(self.data), *command], env=dict(environment),
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    @property
    def log(self) -> Path:
        return self._network.folder / f"{self.name}.log"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of this host, also to those of a pool."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, number)

    def kill(self) -> None:
        """End all of its processes at once, as when its power fails."""
        self.signal(signal.SIGKILL)
        for process in self.processes:
            process.wait(10)

    def cut(self) -> None:
        """Swallow all that it sends and is sent; nobody is told."""
        ip("link", "set", self._link, "down")

    def join(self) -> None:
        """Let it be reached again."""
        ip("link", "set", self._link, "up")

    def remove(self) -> None:
        self.signal(signal.SIGCONT)
        self.kill()
        ip("netns", "delete", self._space)


class Network:
    """A bridge, to which this process belongs too, and the hosts on it."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.shared = folder, folder / "shared"
        self.shared.mkdir(parents=True)
        self.bridge, self.subnet = f"pdm{number}", f"10.213.{number}"
        self.hosts: dict[str, Host] = {}
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{self.subnet}.1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")

    def host(self, name: str) -> Host:
        """One more host."""
        host = self.hosts[name] = Host(self, name, len(self.hosts) + 2)
        return host

    def remove(self) -> None:
        for host in self.hosts.values():
            host.remove()
        ip("link", "delete", self.bridge)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
