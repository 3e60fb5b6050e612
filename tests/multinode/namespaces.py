"""Machines for tests: each has namespaces of its own for network, processes and mounts, and runs sshd.

    with Network.opened(folder, "10.77.0.1/24") as network:
        machine = network.boot(Computer("worker1", ("10.77.0.11/24",), authorized_keys=key))
        machine.run("hostname")

A machine shares this one's disk, so the environment of the tests is at its usual path, but /home, /tmp, /run and
/dev/shm are its own. Nothing leaves the network: it has no way out. All of it hangs below one process, which the kernel
ends with the tests' own, so nothing is left behind whatever happens to them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.waiting import TIME_LIMIT

__all__ = ["Computer", "Machine", "Network", "lacking"]

_NEEDED = {
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "rsync": "rsync",
    "unshare": "util-linux",
}
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLACES = (Path(__file__).parents[2], Path(sys.prefix).resolve(), Path(sys.base_prefix))  # seen wherever they lie

# The number of the first process, as its creator sees it: /proc is still the creator's.
_OWN_NUMBER = "read -r number _ < /proc/self/stat"
_WAIT = "while :; do sleep 1; done"  # the first process of a namespace takes in orphans; bash buries them

_BRIDGE = f"""set -eu
{_OWN_NUMBER}
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
ip link add bridge address 02:00:00:00:00:01 type bridge # else it takes that of a machine, and another when one comes
for address in $ADDRESSES; do ip addr add "$address" dev bridge; done
ip link set bridge up
echo "$number" > "$FOLDER/number.new"
mv "$FOLDER/number.new" "$FOLDER/number"
{_WAIT}
"""

# /tmp comes last, for the machine's own folder may lie below it.
_BOOT = f"""set -eu
{_OWN_NUMBER}
exec 3> "$FOLDER/number"
mount --make-rprivate /
mount -t proc proc /proc
for place in $PLACES; do
    case "$place" in /home/* | /tmp/*) mkdir -p "$FOLDER$place"; mount --bind "$place" "$FOLDER$place" ;; esac
done
mount --rbind "$FOLDER/home" /home
for file in passwd hosts resolv.conf; do mount --bind "$FOLDER/etc/$file" "/etc/$file"; done
mount -t tmpfs -o size=4g tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir /run/sshd
cp -p "$FOLDER/etc/host_key" "$FOLDER/etc/sshd_config" /run/sshd
mount --rbind "$FOLDER/tmp" /tmp
hostname "$NAME"
ip link set lo up
cd /home
/usr/sbin/sshd -D -e -f /run/sshd/sshd_config 3>&- &
echo "$number" >&3
exec 3>&-
{_WAIT}
"""

# Everything is on-link, the world too: Ray asks the kernel for its address on the way to 8.8.8.8.
_CONNECT = """set -eu
ip link add "v$NUMBER" type veth peer name eth0 netns "$NUMBER"
ip link set "v$NUMBER" master bridge up
within="nsenter --target $NUMBER --net ip"
for address in $ADDRESSES; do $within addr add "$address" dev eth0; done
$within link set eth0 up
$within route add default dev eth0 src "$SOURCE"
"""

# The user is root by another name: what would need more of the system than a namespace has, needs no rights then.
_SSHD = """Port 22
HostKey /run/sshd/host_key
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile /home/{user}/.ssh/authorized_keys
MaxSessions 64
MaxStartups 64
Subsystem sftp internal-sftp
"""


def lacking() -> str:
    """What this machine does not have of what is needed here; empty if there is nothing."""
    path = os.environ.get("PATH", "") + ":" + _SYSTEM_PATH
    missing = [package for program, package in _NEEDED.items() if not shutil.which(program, path=path)]
    if os.geteuid() != 0:
        missing.append("root")
    elif subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        missing.append("the right to make namespaces")
    return ", ".join(missing)


@dataclass(frozen=True, slots=True)
class Computer:
    """What a machine is to be. addresses: with prefix length; it speaks from the first. user: anything but root.
    environment: of every shell of the user. programs: scripts by their names, in ~/.local/bin, which is in PATH."""

    name: str
    addresses: tuple[str, ...]
    user: str = "ubuntu"
    authorized_keys: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)

    def furnish(self, folder: Path) -> None:
        """Write what the machine finds on its disk."""
        home = folder / "home" / self.user
        for each in (home / ".ssh", home / ".local" / "bin", folder / "tmp", folder / "etc"):
            each.mkdir(parents=True)
        (folder / "tmp").chmod(0o1777)
        (home / ".ssh" / "authorized_keys").write_text(self.authorized_keys)
        (home / ".profile").write_text(". ~/.bashrc\n")
        (home / ".bashrc").write_text(self._exports())
        for name, script in self.programs.items():
            program = home / ".local" / "bin" / name
            program.write_text(script)
            program.chmod(0o755)
        self._configure(folder / "etc")

    def _exports(self) -> str:
        path = f"/home/{self.user}/.local/bin:{_SYSTEM_PATH}"
        values = {"PATH": path, "LANG": "C.UTF-8", "RAY_USAGE_STATS_ENABLED": "0", **self.environment}
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())

    def _configure(self, etc: Path) -> None:
        own = f"{self.user}:x:0:0::/home/{self.user}:/bin/bash\n"
        (etc / "passwd").write_text(own + Path("/etc/passwd").read_text(encoding="utf-8"))
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{self.addresses[0].partition('/')[0]} {self.name}\n")
        (etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")  # nobody answers there, and says so at once
        (etc / "sshd_config").write_text(_SSHD.format(user=self.user))
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(etc / "host_key")]
        subprocess.run(key, check=True, stdin=subprocess.DEVNULL)


@dataclass(frozen=True, slots=True)
class Machine:
    """A running one. number: of its first process, in the network's namespace. folder: its disk, as seen by tests."""

    network: Network
    computer: Computer
    folder: Path
    number: int

    @property
    def home(self) -> Path:
        """The user's, as seen by the test."""
        return self.folder / "home" / self.computer.user

    @property
    def enter(self) -> tuple[str, ...]:
        """The words before a command that make it run on this machine, in the user's home."""
        home = f"/home/{self.computer.user}"
        into = ("nsenter", "--target", str(self.number), "--all", f"--wdns={home}")
        clean = ("env", "-i", "--default-signal=INT")  # which a shell without job control ignores in what it puts aside
        return (*self.network.enter, *into, *clean, f"HOME={home}", f"USER={self.computer.user}")

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command line in a login shell of the user; both its outputs come by one pipe."""
        return subprocess.Popen(
            [*self.enter, "bash", "--login", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, *, seconds: float = TIME_LIMIT, code: int = 0) -> str:
        """Run a command line to its end. Returns what it prints, on both outputs. Raises AssertionError if it ends with
        another exit code, subprocess.TimeoutExpired if it does not end in time."""
        with self.start(command) as process:
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()  # what it has started on the machine goes with the machine
                raise
        assert process.returncode == code, f"{command} ended with {process.returncode}:\n{output}"
        return output

    def kill(self) -> None:
        """Take its power away."""
        self.network.run(f"kill -9 {self.number}; while kill -0 {self.number} 2> /dev/null; do sleep 0.02; done")


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge in a network namespace of its own. folder: has a folder for each machine. enter: the words before a
    command that make it run beside the bridge; none where Python itself runs there."""

    folder: Path
    enter: tuple[str, ...] = ()

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, *addresses: str) -> Iterator[Network]:
        """A new network in an existing folder; addresses, with prefix length, are those of the bridge."""
        namespaces = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", _BRIDGE)
        with (folder / "network.log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *namespaces],
                env={"PATH": _SYSTEM_PATH, "FOLDER": str(folder), "ADDRESSES": " ".join(addresses)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            number = _number(folder, folder / "network.log")
            yield cls(folder, ("nsenter", "--target", str(number), "--net", "--mount", "--pid"))
        finally:
            process.kill()
            process.wait()

    def run(self, script: str, **environment: str) -> str:
        """Run a script of the shell beside the bridge. Returns what it prints. Raises AssertionError if it fails."""
        command = [*self.enter, "bash", "-c", script]
        environment = {"PATH": _SYSTEM_PATH, **environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def boot(self, computer: Computer) -> Machine:
        """Start a machine and connect it; its sshd answers a moment later."""
        folder = self.folder / computer.name
        computer.furnish(folder)
        log = folder / "machine.log"
        kinds = "--net --mount --pid --uts --ipc --fork --kill-child"
        self.run(
            f'unshare {kinds} bash -c "$BOOT" < /dev/null > "$FOLDER/machine.log" 2>&1 &',
            BOOT=_BOOT,
            PLACES=" ".join(map(str, _PLACES)),
            FOLDER=str(folder),
            NAME=computer.name,
        )
        number = _number(folder, log)
        addresses = computer.addresses
        source = addresses[0].partition("/")[0]
        self.run(_CONNECT, NUMBER=str(number), ADDRESSES=" ".join(addresses), SOURCE=source)
        return Machine(self, computer, folder, number)


def _number(folder: Path, log: Path) -> int:
    """Of the first process of namespaces, once all is in place there."""
    note = folder / "number"
    deadline = time.monotonic() + TIME_LIMIT
    while not (text := note.read_text().strip() if note.exists() else ""):
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.02)
    return int(text)
