"""`python -m trainable CONFIG.json`: train one configuration by itself, and print each evaluation as a line of JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainable.config import TrialConfig
from trainable.errors import ConfigError, TrainableError
from trainable.outcomes import Outcome

__all__ = ["main", "read_config"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one trial and return the exit code: 0, 1 if it diverged or failed, 2 if its configuration is invalid."""
    options = _parser().parse_args(arguments)
    try:
        return _run(read_config(options.config), options.draws, options.initialisation, options.part)
    except TrainableError as error:
        print(f"trainable: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130


def read_config(path: Path) -> TrialConfig:
    """Read a trial's configuration from a JSON file, nested or flat; values may be strings, as MLflow shows them.

    Raises ConfigError naming the file and, for each mistake in it, the field, the rule and the value.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}: give a JSON file with the trial's fields"
        ) from error
    except ValueError as error:  # not JSON, or not UTF-8
        raise ConfigError(f"{path} must hold JSON in UTF-8: {error}") from error
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} must hold one JSON object of fields; received {_shown(values)}")
    try:
        nested = any(isinstance(value, Mapping) for value in values.values())
        return TrialConfig.model_validate(values) if nested else TrialConfig.from_flat(values)
    except ValidationError as error:
        raise ConfigError("\n".join([f"{path} has mistakes:", *_mistakes(error)])) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainable", description="Train and score one configuration.")
    parser.add_argument("config", type=Path, metavar="CONFIG.json", help="the trial's fields, nested or flat")
    parser.add_argument(
        "--draws", type=_draws, metavar="I,J,...", help="draws to train on; default: the first replicates"
    )
    parser.add_argument(
        "--initialisation",
        type=_initialisation,
        default=0,
        metavar="N",
        help="another number trains the same rows from another start; default: 0, that of a sweep",
    )
    parser.add_argument(
        "--part",
        choices=("validation", "test"),
        default="validation",
        help="the rows that are scored: validation rows along the way, or once, at the end, the test part too",
    )
    return parser


def _draws(text: str) -> list[int]:
    try:
        draws = [int(part) for part in text.split(",")]
    except ValueError:
        draws = [-1]
    if min(draws) < 0:
        raise argparse.ArgumentTypeError(f"draws are whole numbers from 0, with commas between; received {text!r}")
    return draws


def _initialisation(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"an initialisation is a whole number from 0; received {text!r}")
    return int(text)


def _run(config: TrialConfig, draws: Sequence[int] | None, initialisation: int, part: Any) -> int:
    from trainable.training import replicates  # torch only once the configuration is known to be right

    exit_code = 0
    for evaluation in replicates(config, draws, initialisation=initialisation, part=part):
        print(json.dumps(evaluation.to_json()), flush=True)  # noqa: T201
        exit_code = 1 if evaluation.outcome in {Outcome.DIVERGED, Outcome.FAILED} else exit_code
    return exit_code


def _mistakes(error: ValidationError) -> list[str]:
    """Return one line for each invalid field: the rules that its value breaks, and the value."""
    rules: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for mistake in error.errors(include_url=False):
        field = _field(mistake["loc"])
        rules.setdefault(field, []).append(mistake["msg"].removeprefix("Value error, "))
        values[field] = mistake["input"]
    return [
        f"  {field}: {', or '.join(rule)}; received {_shown(values[field])}" if field else f"  {', '.join(rule)}"
        for field, rule in rules.items()
    ]


def _field(place: tuple[int | str, ...]) -> str:
    """Return the flat name of a field, without the member of a union that pydantic names in its place."""
    if place[:1] in {("loss",), ("recipe",)}:
        place = place[:1] + place[2:]
    return ".".join(map(str, place[:1] if place[:1] in {("validation",), ("shots",)} else place))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


if __name__ == "__main__":
    sys.exit(main())
