"""Whatever stands in a spec, or behind `--set`: it is a spec whose resolved form says the same, or all that is wrong
with it is said, within seconds and little memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep.errors import SpecError
from sweep.spec.fields import LOSS_FIELDS
from sweep.spec.model import SweepSpec
from sweep.spec.reader import load_spec
from tests.properties.spec_texts import override_texts, spec_texts
from tests.sweeps.invariants import check_spec
from trainable.losses import LOSSES

STABLE = settings(
    max_examples=250,
    derandomize=True,  # the same examples on every machine; tests/fuzz looks for new ones
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
SLOWEST = 30.0  # seconds of CPU, many times an idle machine's; what grows with a power of the size takes minutes
LARGEST = 64 << 20  # bytes

GOOD = """\
compare: {dataset: support, shots: [4, 16], loss: [cross_entropy, soft_triple]}
trial: {encoder: all-MiniLM-L6-v2}
"""


@pytest.fixture(autouse=True)
def spec_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "spec.yaml"


def checked(path: Path, content: bytes, overrides: tuple[str, ...] = ()) -> SweepSpec | None:
    path.write_bytes(content)
    began = time.process_time()
    spec = check_spec(path, overrides)
    assert time.process_time() - began < SLOWEST
    return spec


def test_known_fields_with_any_values(spec_file: Path) -> None:
    counts: Counter[bool] = Counter()

    @STABLE
    @given(text=spec_texts())
    def run(text: str) -> None:
        counts[checked(spec_file, text.encode("utf-8", errors="surrogatepass")) is not None] += 1

    run()
    assert min(counts[True], counts[False]) >= 20, f"too few were accepted or refused to tell: {counts}"


@STABLE
@given(content=st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes(spec_file: Path, content: bytes) -> None:
    checked(spec_file, content)


@STABLE
@given(overrides=st.lists(override_texts(), min_size=1, max_size=3))
def test_any_overrides(spec_file: Path, overrides: list[str]) -> None:
    checked(spec_file, GOOD.encode(), tuple(overrides))


# ---- what could take long, or much memory ----------------------------------------------------------------------------


def spec_with(**lines: str) -> str:
    return GOOD + "".join(f"{name}: {value}\n" for name, value in lines.items())


def unknown_keys(count: int) -> str:
    generator = random.Random(0)
    return ", ".join(f"{''.join(generator.choices('abcdelmnorst_', k=9))}{number}: 1" for number in range(count))


def numbers(count: int, scale: float = 1e-6) -> str:
    return f"[{', '.join(f'{scale * (1 + each):.9f}' for each in range(count))}]"


def fields_in_lists(loss: str) -> str:
    return f"{{{', '.join(f'{name}: {numbers(300, 1e-3)}' for name in LOSS_FIELDS[loss])}}}"


MANY_AXES = """\
compare: {dataset: support, shots: 4, loss: LOSSES, embedding: [cls, mean, tokens], schedule: [linear, cosine],
  encoder_lr: [1e-5, 1e-4], head_lr: [1e-5, 1e-4], weight_decay: [0, 0.1], warmup: [0, 0.1], clip: [1, 2]}
trial: {encoder: all-MiniLM-L6-v2}
budget: {trials_per_cell: 1}
"""

HEAVY: dict[str, str] = {
    "short lines": "a:\n" + " b\n" * 80_000,
    "a comment": "#" * 250_000,
    "comments": "# \n" * 80_000,
    "one long text": f"description: {'x' * 250_000}",
    "one long key": f"{'x' * 250_000}: 1",
    "a long quoted text": f'description: "{"a " * 120_000}"',
    "a long block of text": "description: |\n" + " x\n" * 80_000,
    "open brackets": "[" * 250_000,
    "open braces": "{a: " * 60_000,
    "dashes": "- " * 100_000,
    "question marks": "? " * 100_000,
    "a long tag": f"!{'x' * 200_000} a",
    "a long anchor": f"&{'x' * 200_000} a",
    "many anchors": "".join(f"- &a{each} x\n" for each in range(20_000)),
    "many values": "compare: [" + "1, " * 80_000 + "1]",
    "many documents": "---\n" * 60_000,
    "many directives": "%YAML 1.1\n" * 20_000 + "---\n",
    "a long number": f"compare: {{shots: {'9' * 200_000}}}",
    "a long exponent": f"compare: {{shots: 1e{'9' * 200_000}}}",
    "aliases that multiply": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{each}: &a{each} [{', '.join([f'*a{each - 1}'] * 9)}]\n" for each in range(1, 12)),
    "mappings that multiply": "a0: &a0 {a: x, b: x, c: x}\n"
    + "".join(f"a{n}: &a{n} {{a: *a{n - 1}, b: *a{n - 1}, c: *a{n - 1}}}\n" for n in range(1, 18)),
    "merges that multiply": "a0: &a0 {a: x}\n"
    + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 200)),
    "an alias of itself": "&a {compare: *a, search: [*a, *a]}",
    "unknown keys": f"compare: {{{unknown_keys(950)}}}\nsearch: {{{unknown_keys(950)}}}\n",
    "unknown blocks": "\n".join(unknown_keys(1900).split(", ")),
    "unknown datasets": spec_with(datasets=f"{{{', '.join(f'name{n}: {{hub: a/b}}' for n in range(600))}}}").replace(
        "dataset: support", f"dataset: [{', '.join(f'nam{n}' for n in range(700))}]"
    ),
    "names alike and long": spec_with(datasets=f"{{{'ab' * 49}: {{hub: a/b}}}}").replace("support", "ba" * 2400),
    "an axis of values": GOOD.replace("shots:", f"encoder_lr: {numbers(1900)}, shots:"),
    "a list of losses": spec_with(search=f"{{encoder_lr: {numbers(1900)}}}"),
    "many axes": MANY_AXES.replace("LOSSES", f"[{', '.join(LOSSES)}]"),
    "many axes of one loss": MANY_AXES.replace("LOSSES", "soft_triple").replace(
        "clip:",
        "beta: [0.1, 0.9], proxy_lr: [0.1, 0.2], batch_size: [8, 16], max_length: [16, 32], steps: [9, 99], clip:",
    ),
    "ten thousand cells": GOOD.replace("shots: [4, 16]", f"shots: {list(range(1, 101))}, seed: {list(range(50))}")
    + "budget: {trials_per_cell: 1}\n",
    "ranges everywhere": spec_with(
        search="{"
        + ", ".join(
            f"{name}: {{low: 0.01, high: 0.5}}" for name in ("encoder_lr", "head_lr", "proxy_lr", "warmup", "beta")
        )
        + ", steps: {low: 10, high: 20}, batch_size: {low: 8, high: 16}, max_length: {low: 8, high: 16}}"
    ).replace("[cross_entropy, soft_triple]", f"[{', '.join(LOSSES)}]"),
    "lists everywhere": spec_with(search=f"{{soft_triple: {fields_in_lists('soft_triple')}}}"),
    "regular expressions": f"tracking: {{uri: '{'://x' * 1200}'}}\nledger: '{'token=' * 800}'\n",
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_large_is_judged_at_once(name: str, spec_file: Path) -> None:
    checked(spec_file, HEAVY[name].encode())


@pytest.mark.parametrize(
    "name",
    ["aliases that multiply", "mappings that multiply", "many values", "open brackets", "short lines", "many anchors"],
)
def test_what_is_large_takes_little_memory(name: str, spec_file: Path) -> None:
    spec_file.write_bytes(HEAVY[name].encode())
    tracemalloc.start()
    try:
        with pytest.raises(SpecError):
            load_spec(spec_file)
        assert tracemalloc.get_traced_memory()[1] < LARGEST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("override", [".".join(["a"] * 5000) + "=1", "a" * 200_000, f"description={'[' * 100_000}"])
def test_an_override_that_is_large_is_judged_at_once(override: str, spec_file: Path) -> None:
    assert checked(spec_file, GOOD.encode(), (override,)) is None
