"""Specs as YAML files and presets: read safely, every mistake with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sweep.errors import SpecError
from sweep.spec import SweepSpec
from sweep.spec_rules import suggestion
from trainable.datasets import find
from trainable.errors import DataError

__all__ = ["PRESETS", "json_schema", "load_spec"]

_PRESET_FILES = files("sweep") / "presets"
PRESETS: tuple[str, ...] = tuple(
    sorted(str(each.name).removesuffix(".yaml") for each in _PRESET_FILES.iterdir() if each.name.endswith(".yaml"))
)
_LARGEST = 1_000_000  # bytes; a spec of this size is no spec
_Place = tuple[str | int, ...]


def load_spec(source: str | Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """The spec in a YAML file, or the preset of that name, with `key.key=value` overrides. Raises SpecError with all mistakes."""
    name, text, folder = _read(str(source))
    data, lines = _parse(name, text)
    for override in overrides:
        _override(data, lines, override)
    data.setdefault("name", re.sub(r"[^a-z0-9._-]+", "-", Path(name).stem.lower()).strip("-._") or "sweep")
    found: list[str] = []
    _resolve_datasets(data, folder, lines, name, found)
    spec = _validated(data, lines, name, found)
    if spec is None or found:
        raise SpecError(found)
    return spec


def json_schema() -> dict[str, Any]:
    """The JSON schema of specs, with the fields of trials and losses spelled out for editors."""
    from trainable.config import TrialConfig
    from trainable.losses import LOSSES

    schema = SweepSpec.model_json_schema()
    trial = TrialConfig.model_json_schema()
    schema["$defs"] |= trial.pop("$defs", {})
    value = {
        "anyOf": [{"$ref": "#/$defs/RangeSpec"}, {"type": "array"}, {"type": ["string", "number", "boolean", "null"]}]
    }
    fields = trial["properties"]
    described = {key: {"description": field.get("description", ""), **value} for key, field in fields.items()}
    losses = {
        key: {
            "type": "object",
            "additionalProperties": False,
            "description": entry.paper,
            "properties": {
                own: {"description": info.description or "", **value}
                for own, info in entry.config.model_fields.items()
                if own != "name"
            },
        }
        for key, entry in LOSSES.items()
    }
    properties = schema["properties"]
    loss_names = {"enum": list(LOSSES)}
    items = {key: {**field} for key, field in fields.items()} | {"loss": loss_names, "dataset": {"type": "string"}}
    properties["compare"] |= {
        "properties": {key: {"type": "array", "items": item} for key, item in items.items()},
        "additionalProperties": False,
    }
    properties["trial"] |= {"properties": items, "additionalProperties": False}
    properties["search"] |= {"properties": {**described, **losses}, "additionalProperties": False}
    for source in (schema["$defs"]["DatasetConfig"],):
        source["required"] = []
    return schema


def _read(source: str) -> tuple[str, str, Path]:
    """Name, text and folder of a spec."""
    if source in PRESETS and not Path(source).is_file():
        return f"{source}.yaml", (_PRESET_FILES / f"{source}.yaml").read_text(encoding="utf-8"), Path.cwd()
    path = Path(source)
    try:
        if path.stat().st_size > _LARGEST:
            raise SpecError([f"{source}: a spec may have at most {_LARGEST} bytes; received {path.stat().st_size}"])
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        hint = suggestion(source, PRESETS).replace("allowed", "presets")
        raise SpecError(
            [f"{source}: a spec is a YAML file or the name of a preset; there is no such file; {hint}"]
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError([f"{source}: a spec must be UTF-8 text; byte {error.start} is not; save it as UTF-8"]) from None
    except (OSError, ValueError) as error:
        raise SpecError(
            [f"{source}: a spec must be a readable file; received: {getattr(error, 'strerror', None) or error}"]
        ) from None
    if "\0" in text:
        raise SpecError([f"{source}: a spec must be YAML text; this is a binary file"])
    return source, text, path.resolve().parent


class _Loader(yaml.SafeLoader):
    """YAML without aliases (no bombs) and repeated keys, in which 1e-5 is a number."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None, None, "aliases (*name) are not allowed in a spec", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def _parse(name: str, text: str) -> tuple[dict[str, Any], dict[_Place, int]]:
    """The mapping in a YAML text, and the line of each of its places."""
    found: list[str] = []
    lines: dict[_Place, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _walk(node, (), lines, found, name)
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SpecError(
            [f"{name}{line}: a spec must be valid YAML; received: {error.problem or error.context}"]
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SpecError([f"{name}: a spec must be valid YAML; received: {str(error).splitlines()[0]}"]) from None
    if not isinstance(data, dict):
        raise SpecError(
            [
                f"{name}:1: a spec is a mapping with blocks such as compare and trial; received {_shown(data) if data is not None else 'an empty file'}"
            ]
        )
    if found:
        raise SpecError(found)
    return data, lines


def _walk(node: Any, place: _Place, lines: dict[_Place, int], found: list[str], name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            where = (*place, str(key.value))
            if where in lines:
                found.append(
                    f"{name}:{key.start_mark.line + 1}: {_dotted(where)}: a key stands once; it was set on line {lines[where]} too; remove one"
                )
            lines[where] = key.start_mark.line + 1
            _walk(value, where, lines, found, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[*place, index] = value.start_mark.line + 1
            _walk(value, (*place, index), lines, found, name)


def _override(data: dict[str, Any], lines: dict[_Place, int], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key or not all(key.split(".")):
        raise SpecError([f"--set {override}: an override is KEY=VALUE, as --set budget.trials_per_cell=4"])
    try:
        value = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError):
        raise SpecError([f"--set {key}: the value must be YAML; received {text!r}"]) from None
    block: Any = data
    parts = key.split(".")
    for part in parts[:-1]:
        if not isinstance(block.get(part), dict):
            block[part] = {}
        block = block[part]
    block[parts[-1]] = value
    place = tuple(parts)
    for known in [known for known in lines if known[: len(place)] == place]:
        del lines[known]
    lines[place] = 0  # not a line of the file


def _resolve_datasets(
    data: dict[str, Any], folder: Path, lines: dict[_Place, int], name: str, found: list[str]
) -> None:
    """Make paths absolute, and replace every dataset on an axis by the name of an entry under `datasets`."""
    own = data.setdefault("datasets", {})
    if not isinstance(own, dict):
        return
    for key, entry in own.items():
        if isinstance(entry, dict):
            base = Path.cwd() if _line(lines, ("datasets", key)) == 0 else folder
            own[key] = {
                field: str((base / Path(value).expanduser()).resolve())
                if field in ("path", "test_path") and isinstance(value, str)
                else value
                for field, value in entry.items()
            }
    for block, values in _dataset_values(data):
        for index, value in enumerate(values):
            if not isinstance(value, str) or value in own:
                continue
            place: _Place = (block, "dataset", index) if block == "compare" else (block, "dataset")
            try:
                local = folder / Path(value).expanduser()
                config = find(str(local) if local.exists() and not Path(value).exists() else value)
            except DataError as error:
                found.append(
                    _said(name, lines, place, f"{error}; names under `datasets`: {', '.join(own) or 'none'}", value)
                )
                continue
            own[config.name] = config.model_dump(mode="json", exclude_defaults=True)
            values[index] = config.name
    if isinstance(data.get("trial"), dict) and isinstance(data["trial"].get("dataset"), list):
        data["trial"]["dataset"] = data["trial"]["dataset"][0]


def _dataset_values(data: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    compare, trial = data.get("compare"), data.get("trial")
    values: list[tuple[str, list[Any]]] = []
    if isinstance(compare, dict) and isinstance(compare.get("dataset"), list):
        values.append(("compare", compare["dataset"]))
    if isinstance(trial, dict) and isinstance(trial.get("dataset"), str):
        trial["dataset"] = [trial["dataset"]]
        values.append(("trial", trial["dataset"]))
    return values


def _validated(data: dict[str, Any], lines: dict[_Place, int], name: str, found: list[str]) -> SweepSpec | None:
    """Validate; where that fails, note the mistakes, take out what is wrong, and look for more in the rest."""
    taken: list[_Place] = []
    for _ in range(6):
        try:
            return SweepSpec.model_validate(data)
        except ValidationError as error:
            new = [each for each in _mistakes(error) if not any(_related(each[0], place) for place in taken)]
            if not new:
                return None
            for place, rule, value in new:
                text = _said(name, lines, place, rule, value)
                if not any(_dotted(place) in known and "no such dataset" in rule for known in found):
                    found.append(text)
                taken.append(place)
                _take_out(data, place)
    return None


def _mistakes(error: ValidationError) -> list[tuple[_Place, str, Any]]:
    listed: list[tuple[_Place, str, Any]] = []
    for each in error.errors():
        if each["type"] == "mistakes":
            listed += each["ctx"]["mistakes"]
            continue
        rule = str(each["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
        place: _Place = tuple(part for part in each["loc"] if not _is_tag(part))
        if each["type"] == "extra_forbidden":
            rule = f"no such key; {suggestion(str(place[-1]), _allowed(place[:-1]))}"
        rule = rule[:1].lower() + rule[1:]
        if listed and listed[-1][0] == place:  # alternatives of one field
            listed[-1] = (place, f"{listed[-1][1]} or {rule}", each["input"])
        else:
            listed.append((place, rule, each["input"]))
    return listed


def _is_tag(part: str | int) -> bool:
    """Pydantic adds the tried alternative of a union to the place."""
    return isinstance(part, str) and (part.startswith(("literal[", "constrained-")) or part in ("int", "float", "str"))


def _allowed(place: _Place) -> list[str]:
    model: Any = SweepSpec
    for part in place:
        if part == "datasets":
            from trainable.config import DatasetConfig

            return [field for field in DatasetConfig.model_fields if field != "name"]
        field = model.model_fields.get(part)
        model = field.annotation if field is not None else model
    return list(model.model_fields)


def _related(place: _Place, other: _Place) -> bool:
    length = min(len(place), len(other))
    return place[:length] == other[:length]


def _take_out(data: Any, place: _Place) -> None:
    block = data
    for part in place[:-1]:
        try:
            block = block[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(block, dict):
        block.pop(place[-1], None)
    elif isinstance(block, list):
        _take_out(data, place[:-1])


def _said(name: str, lines: Mapping[_Place, int], place: _Place, rule: str, value: Any) -> str:
    line = _line(lines, place)
    where = "--set" if line == 0 else f"{name}:{line}" if line is not None else name
    received = "" if value is None and "needs" in rule else f"; received {_shown(value)}"
    return f"{where}: {_dotted(place)}: {rule}{received}"


def _line(lines: Mapping[_Place, int], place: _Place) -> int | None:
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None


def _dotted(place: _Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the spec"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
