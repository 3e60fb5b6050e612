"""Loading a spec: a file, a preset of the package or a mapping, with the overrides of `--set` on top."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from sweep.errors import SpecError
from sweep.spec.document import MAX_BYTES, Document, decoded, read_document
from sweep.spec.layers import Layer, Layers, file_layer, override_layer
from sweep.spec.mistakes import Mistake, mistakes_of
from sweep.spec.model import SweepSpec
from sweep.spec.paths import missing_encoders, straying_paths, with_absolute_paths
from sweep.spec.presets import PRESETS
from sweep.spec.schema import json_schema
from sweep.spec.wording import shown, suggestion

__all__ = ["Source", "json_schema", "load_spec", "read_layers", "validated", "yaml_text"]

Source: TypeAlias = str | Path | Mapping[str, Any]
"""Where a spec is: the path of a file, the name of a preset, or the spec itself."""


def load_spec(source: Source, overrides: Sequence[str] = ()) -> SweepSpec:
    """The spec in a YAML file, or the preset of that name, or a mapping like the content of such a file, with
    `KEY=VALUE` overrides (`budget.hours=2`) on top.

    Paths in a file are relative to its folder, and no link may lead them out of it; paths in an override or a mapping
    are relative to the current folder. All become absolute. A spec without a name is named after its file; a mapping
    without one is named `sweep`.

    Raises SpecError with all mistakes, each with file and line (or `--set KEY`), rule, value received and remedy.
    """
    return validated(read_layers(source, overrides))


def read_layers(source: Source, overrides: Sequence[str] = ()) -> Layers:
    """What a source and its overrides say, before it is checked. Raises SpecError for what cannot be read at all."""
    file = _file(source)
    layers = [override_layer(text, number) for number, text in enumerate(overrides, start=1)]
    names = {str(name) for layer in (file, *layers) for name in _own_datasets(layer)}
    base = Path.cwd() if isinstance(source, Mapping) or source in PRESETS else Path(source).absolute().parent
    merged = Layers(with_absolute_paths(file.data, base, names), dict(file.origins), list(file.mistakes))
    for layer in layers:
        merged.add(Layer(with_absolute_paths(layer.data, Path.cwd(), names), layer.top, layer.origins, layer.mistakes))
    if file.mistakes and not file.data:  # what could not be read has no further mistakes
        raise merged.refusal()
    if merged.data.get("name") is None:
        merged.data["name"] = "sweep" if isinstance(source, Mapping) else _name_of(Path(source))
    straying = () if isinstance(source, Mapping) else straying_paths(file.data, base, names)
    kept = ((merged.origin(mistake.place), mistake) for mistake in straying)
    merged.mistakes += [(origin, mistake) for origin, mistake in kept if origin.layer == 0]
    return merged


def validated(layers: Layers) -> SweepSpec:
    """The spec of all layers. Raises SpecError with all mistakes."""
    mistakes = [*missing_encoders(layers.data)]
    try:
        spec = SweepSpec.model_validate(layers.data)
    except ValidationError as error:
        raise layers.refusal([*mistakes, *mistakes_of(error)]) from None
    if mistakes or layers.mistakes:
        raise layers.refusal(mistakes)
    return spec


def _own_datasets(layer: Layer) -> Mapping[str, Any]:
    datasets = layer.data.get("datasets")
    return datasets if isinstance(datasets, Mapping) else {}


def _name_of(path: Path) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("._-")
    return slug[:64] or "sweep"


# ---- reading ---------------------------------------------------------------------------------------------------------


def _file(source: Source) -> Layer:
    if isinstance(source, Mapping):
        return file_layer(_document(source), "spec", lines=False)
    label = f"preset {source}" if source in PRESETS else _label(source)
    content = decoded(_content(source))
    if isinstance(content, str):
        return file_layer(read_document(content), label)
    return file_layer(Document(None, {}, (content,)), label)


def _document(mapping: Mapping[str, Any]) -> Document:
    """A mapping as the file that it could stand in, so that it is read by the same rules."""
    try:
        content = decoded(yaml_text(mapping, indent=0).encode("utf-8", errors="surrogatepass"))
    except (TypeError, ValueError, RecursionError) as error:
        rule = "a spec holds names, numbers, texts, lists and mappings"
        return Document(None, {}, ((1, Mistake(place=(), rule=rule, received=str(error)[:200])),))
    return read_document(content) if isinstance(content, str) else Document(None, {}, (content,))


def yaml_text(value: Any, indent: int | None = None) -> str:
    """A value of a program in the notation of a spec: JSON, which is YAML too where it has no line breaks of YAML's
    own. Paths become texts, numbers and arrays of numpy plain ones.

    Raises TypeError or ValueError for other values.
    """
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=indent)
    return re.sub("[\x85\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__}: {value!r}")


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
