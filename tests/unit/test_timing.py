"""The time of a plan: from a few steps and a sample of rows, and in words where a training gives none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from sweep.cli import timing
from sweep.cli.commands import main
from sweep.cli.plan import print_plan
from sweep.cli.timing import measure_pace
from sweep.errors import TimingError
from sweep.spec.cells import cells
from sweep.spec.model import SweepSpec
from tests.sweeps.tiny_encoders import SIZES, save_model, save_tokenizer, write_encoder
from trainable import embeddings
from trainable.batching import tokenise
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.encoder import load_encoder
from trainable.evaluation import inference, scoring
from trainable.evaluation.inference import padded_tokens, run_encoder
from trainable.outcomes import Evaluation
from trainable.recipes.entry import Trial

WORDS = ("good", "bad", "fine", "awful", "film", "the", "a", "was")


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A csv file of 6,000 sentences of 2 to 40 words, a third of them for the test part."""
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(2, 0.7, 6000), 2, 40).astype(int)
    lines = [f"{' '.join(generator.choice(WORDS, length))} {n},{'ab'[n % 2]}" for n, length in enumerate(lengths)]
    path = tmp_path_factory.mktemp("many") / "many.csv"
    path.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    return path


def spec_of(encoder: Path, dataset: dict[str, Any], **protocol: Any) -> SweepSpec:
    return SweepSpec.model_validate(
        {
            "name": "any",
            "datasets": {"own": dataset},
            "compare": {"dataset": ["own"], "shots": [2, 3], "loss": ["cross_entropy", "soft_triple"]},
            "trial": {"encoder": str(encoder)},
            "protocol": {"steps": 4, "evaluations": 2, "replicates": 2} | protocol,
        }
    )


def without_second_segment(folder: Path) -> Path:
    """An encoder that fails on pairs of sentences, since its tokenizer numbers two segments and it embeds one."""
    size = save_tokenizer(folder, start="[CLS]", end="[SEP]", pad="[PAD]", unknown="[UNK]", segments=True)
    save_model(
        folder,
        BertConfig(**SIZES, vocab_size=size, max_position_embeddings=128, type_vocab_size=1, pad_token_id=1),
    )
    return folder


def with_a_weight_that_is_no_number(folder: Path) -> Path:
    """One that second sentences use, which no row has that is tried at loading."""
    weights = load_file(write_encoder(folder) / "model.safetensors")
    weights["embeddings.token_type_embeddings.weight"][1] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> dict[str, Any]:
    lines = [f"good film {n},bad film {n},{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "pairs.csv").write_text("\n".join(["text,other,label", *lines]), encoding="utf-8")
    return {"path": str(tmp_path / "pairs.csv"), "text_pair": "other"}


def test_a_training_that_fails_is_told_in_words_with_every_other_one(tmp_path: Path, pairs: dict[str, Any]) -> None:
    encoder = without_second_segment(tmp_path / "encoder")
    with pytest.raises(TimingError) as caught:
        measure_pace(cells(spec_of(encoder, pairs)))
    first, second = str(caught.value).splitlines()
    assert f"cross_entropy on `own` (2 shots, {encoder}) failed: IndexError: index out of range" in first
    assert "skip the timing (--no-timing)" in first
    assert "(3 shots" in second


@pytest.mark.lengthy
def test_the_command_then_ends_with_code_2(
    tmp_path: Path, pairs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_of(without_second_segment(tmp_path / "encoder"), pairs)
    (tmp_path / "spec.json").write_text(json.dumps(spec.resolved()))
    assert main(["plan", str(tmp_path / "spec.json")]) == 2
    assert "every training must get through them" in capsys.readouterr().err
    assert main(["plan", str(tmp_path / "spec.json"), "--no-timing"]) == 0


def test_a_training_that_diverges_gives_a_plan_without_a_time(tmp_path: Path, pairs: dict[str, Any]) -> None:
    spec = spec_of(with_a_weight_that_is_no_number(tmp_path / "encoder"), pairs)
    out = io.StringIO()
    print_plan(Console(file=out, width=200), spec, timed=True)
    assert "time: unknown, since a training that diverges has none (--training-seconds S gives one)" in out.getvalue()
    assert "(3 shots" in out.getvalue()
    assert "diverged with the values of the first trial: embeddings of" in out.getvalue()


@pytest.mark.lengthy
def test_no_more_rows_are_scored_than_a_sample(
    tiny_bert: Path, many_rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []

    def counted(model: Any, rows: Any, indices_N: NDArray[np.int64], **options: Any) -> Any:
        scored.append(len(indices_N))
        return run_encoder(model, rows, indices_N, **options)

    monkeypatch.setattr(scoring, "run_encoder", counted)
    grid = cells(spec_of(tiny_bert, {"path": str(many_rows)}))
    pace = measure_pace(grid)
    device = timing._device()
    warm = timing._WARM[device] * grid[0].default_config().batch_size
    first, later = ([warm, timing._SCORED[device]], [timing._SCORED[device]])
    assert scored == first + (first if device == "cuda" else later), "what a recipe needs is loaded once"
    assert set(pace.costs) == {cell.key for cell in grid}


@pytest.mark.lengthy
def test_a_frozen_encoder_reads_a_sample_and_its_cells_share_what_is_done_once(
    tiny_bert: Path, many_rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(model: Any, rows: Any, indices_N: NDArray[np.int64], **options: Any) -> Any:
        read.append(len(indices_N))
        return run_encoder(model, rows, indices_N, **options)

    monkeypatch.setattr(embeddings, "run_encoder", counted)
    monkeypatch.setattr(inference, "run_encoder", counted)
    changed = {"compare": {"dataset": ["own"], "shots": [2, 3], "recipe": ["frozen"]}}
    given = spec_of(tiny_bert, {"path": str(many_rows)}).resolved()
    grid = cells(SweepSpec.model_validate({**given, **changed, "search": {}, "trial": {"encoder": str(tiny_bert)}}))
    costs = measure_pace(grid).costs
    few, more = (costs[cell.key] for cell in grid)
    most = timing._SCORED[timing._device()]
    assert sum(read) <= 2 * (2 * most + 3 * 2), "of each number of shots a sample to score and one to time"
    assert more.once == 0, "the same rows are encoded for all cells"
    assert few.once > few.trial > 0
    assert few.trial == pytest.approx(2 * few.confirmation)


@pytest.mark.lengthy
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_a_sample_stands_for_all_rows(beta: float, tiny_bert: Path, many_rows: Path) -> None:
    """If each padded token took a millisecond, the extrapolated costs would be those of all rows within a twentieth."""
    (cell, *_) = cells(spec_of(tiny_bert, {"path": str(many_rows)}))
    whole = cell.default_config().model_copy(update={"beta": beta, "shots": 40})
    probe = whole.model_copy(update={"steps": 2, "evaluations": 1, "validation": 256})
    data = load(whole.dataset)
    pool = tokenise(data.pool, load_encoder(whole.encoder, None, 2), whole.max_length)
    test = tokenise(data.test, load_encoder(whole.encoder, None, 2), whole.max_length)
    train = padded_tokens(pool.lengths(draw_of(whole, data, 0).train), "cpu")
    centroids = train if beta == 0 else 0

    def scored(config: TrialConfig) -> int:
        return padded_tokens(pool.lengths(draw_of(config, data, 0).validation), "cpu")

    seconds = {"train_seconds": 1.0, "eval_seconds": (scored(probe) + centroids) / 1000}
    measured = Evaluation(draw=0, replicate=0, point=1, step=2, metrics=seconds)
    trial = Trial(config=probe, data=data, draws=(0,), samples=(draw_of(probe, data, 0),), part="validation")
    cost = timing._extrapolated(whole, trial, draw_of(whole, data, 0), measured)
    each = 4 / 2 * 1.0 + 2 * (scored(whole) + centroids) / 1000
    assert cost.trial == pytest.approx(2 * each, rel=0.05)
    tested = padded_tokens(test.lengths(np.arange(len(data.test))), "cpu")
    assert cost.confirmation == pytest.approx(2.0 + (train + scored(whole) + tested) / 1000, rel=0.05)
