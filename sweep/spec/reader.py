"""Loading a spec: a file or a preset of the package, with the overrides of `--set` on top."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweep.errors import SpecError
from sweep.spec.document import MAX_BYTES, Document, decoded, read_document
from sweep.spec.layers import Layer, Layers, file_layer, override_layer
from sweep.spec.mistakes import Mistake, mistakes_of
from sweep.spec.model import SweepSpec
from sweep.spec.paths import missing_encoders, straying_paths, with_absolute_paths
from sweep.spec.schema import json_schema
from sweep.spec.wording import shown, suggestion

__all__ = ["PRESETS", "json_schema", "load_spec"]

PRESETS: tuple[str, ...] = ("quickstart", "trec", "paper", "reality")
"""The names of the specs that come with the package, in `sweep/presets`."""


def load_spec(source: str | Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """The spec in a YAML file, or the preset of that name, with `KEY=VALUE` overrides (`budget.hours=2`) on top.

    Paths in a file are relative to its folder, and no link may lead them out of it; paths in an override are relative
    to the current folder. All become absolute. A spec without a name is named after its file.

    Raises SpecError with all mistakes, each with file and line (or `--set KEY`), rule, value received and remedy.
    """
    file = _file(source)
    layers = [override_layer(text, number) for number, text in enumerate(overrides, start=1)]
    names = {str(name) for layer in (file, *layers) for name in _own_datasets(layer)}
    base = Path.cwd() if source in PRESETS else Path(source).absolute().parent
    merged = Layers(with_absolute_paths(file.data, base, names), dict(file.origins), list(file.mistakes))
    for layer in layers:
        merged.add(Layer(with_absolute_paths(layer.data, Path.cwd(), names), layer.top, layer.origins, layer.mistakes))
    if file.mistakes and not file.data:  # what could not be read has no further mistakes
        raise SpecError(merged.messages())
    if merged.data.get("name") is None:
        merged.data["name"] = _name_of(Path(source))
    straying = [
        mistake for mistake in straying_paths(file.data, base, names) if merged.origin(mistake.place).layer == 0
    ]
    return _validated(merged, straying)


def _validated(layers: Layers, straying: Sequence[Mistake]) -> SweepSpec:
    """The spec of all layers.

    straying: the mistakes of paths in the file that no override replaced and that links lead out of its folder.
    """
    mistakes = [*straying, *missing_encoders(layers.data)]
    try:
        spec = SweepSpec.model_validate(layers.data)
    except ValidationError as error:
        raise SpecError(layers.messages([*mistakes, *mistakes_of(error)])) from None
    if mistakes or layers.mistakes:
        raise SpecError(layers.messages(mistakes))
    return spec


def _own_datasets(layer: Layer) -> Mapping[str, Any]:
    datasets = layer.data.get("datasets")
    return datasets if isinstance(datasets, Mapping) else {}


def _name_of(path: Path) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("._-")
    return slug[:64] or "sweep"


# ---- reading ---------------------------------------------------------------------------------------------------------


def _file(source: str | Path) -> Layer:
    label = f"preset {source}" if source in PRESETS else _label(source)
    content = decoded(_content(source))
    if isinstance(content, str):
        return file_layer(read_document(content), label)
    return file_layer(Document(None, {}, (content,)), label)


def _label(source: str | Path) -> str:
    name = str(source)
    return name if len(name) < 200 and name.isprintable() else ascii(name)[:200]


def _content(source: str | Path) -> bytes:
    """The bytes of the file, up to one more than a spec may have."""
    if source in PRESETS:
        return resources.files("sweep").joinpath("presets", f"{source}.yaml").read_bytes()
    try:
        with Path(source).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise SpecError([_unreadable(source, error)]) from None


def _unreadable(source: str | Path, error: Exception) -> str:
    presets = f"the presets are {', '.join(PRESETS)}"
    if isinstance(error, IsADirectoryError):
        remedy = f"name the file in it, such as {Path(source) / 'spec.yaml'}; {presets}"
        mistake = Mistake(place=(), rule="a spec is a YAML file", received="a folder", remedy=remedy)
    elif isinstance(error, FileNotFoundError | NotADirectoryError):
        near = suggestion(str(source), PRESETS, listed=False)
        remedy = "; ".join(part for part in (near, "correct the path", presets) if part)
        mistake = Mistake(
            place=(), rule="no such file or preset", received=f"{shown(str(source))} in {Path.cwd()}", remedy=remedy
        )
    else:
        reason = getattr(error, "strerror", None) or str(error)
        mistake = Mistake(
            place=(),
            rule=f"the spec cannot be read ({reason})",
            remedy=f"check the path and its permissions; {presets}",
        )
    return mistake.at(_label(source))
