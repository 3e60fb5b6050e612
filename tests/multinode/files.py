"""The files of cluster/, read as Ray reads them."""

from __future__ import annotations

import copy
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

__all__ = ["CLUSTER", "LAUNCHED", "Start", "parse_ray", "prepared", "ray_start", "read", "run_commands"]

CLUSTER = Path(__file__).parents[2] / "cluster"
LAUNCHED = ("gpu.yaml", "gcp.yaml", "onprem.yaml")  # by `ray up`


@dataclass(frozen=True, slots=True)
class Start:
    """A `ray start` command. environment: what is set for it alone. options: as Ray's command line understands them."""

    environment: Mapping[str, str]
    options: Mapping[str, Any]


def read(name: str) -> dict[str, Any]:
    """The only, or the first, document of a file."""
    document: dict[str, Any] = next(yaml.safe_load_all((CLUSTER / name).read_text(encoding="utf-8")))
    return document


def prepared(config: Mapping[str, Any]) -> dict[str, Any]:
    """A cluster's file after what `ray up` does first. Raises what Ray raises for a file that it refuses."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    ready: dict[str, Any] = prepare_config(copy.deepcopy(dict(config)))
    validate_config(ready)
    return ready


def ray_start(config: Mapping[str, Any], kind: str) -> Start:
    """The start command of a `head` or a `worker`. Raises click.ClickException if Ray does not know an option."""
    lines = [part for command in config[f"{kind}_start_ray_commands"] for part in command.split(";")]
    (words,) = [shlex.split(line) for line in lines if "ray start" in line]
    at = words.index("ray")
    environment = dict(word.split("=", 1) for word in words[:at])
    return Start(environment, parse_ray(words[at + 1 :]))


def parse_ray(words: list[str]) -> dict[str, Any]:
    """The parameters of a command line of Ray, without `ray`. Raises click.ClickException if it is none."""
    from ray.scripts.scripts import cli

    command: click.Command = cli
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"ray has no command {name!r}"
        command = found
    return dict(command.make_context(command.name, words).params)


def run_commands(commands: list[str], home: Path, then: str = "true") -> str:
    """Run commands of a cluster's file as Ray does, each in a shell of its own, in another home. Returns what the last
    one, `then`, prints."""
    environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    printed = ""
    for command in [*commands, then]:
        line = f"source ~/.bashrc; {command}"
        done = subprocess.run(
            ["bash", "-c", line], env=environment, cwd=home, capture_output=True, text=True, check=True
        )
        printed = done.stdout
    return printed
