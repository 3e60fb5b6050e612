"""The range of the encoder's learning rate follows the encoder's width, and is on record once a sweep has begun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweep.spec.cells import cells
from sweep.spec.inputs import with_rates
from sweep.spec.model import SweepSpec
from tests.sweeps.grid import spec
from trainable.encoder.rates import UNKNOWN, rate_range, suited_rate
from trainable.errors import EncoderError
from trainable.ranges import FloatRange

PUBLISHED = {  # width: rates at which such encoders are fine-tuned, by the papers that trained them
    1024: (1e-5, 3e-5),  # RoBERTa-large: Liu et al., 2019
    768: (2e-5, 5e-5),  # BERT-base: Devlin et al., 2019
    512: (3e-5, 3e-4),  # BERT-small: Turc et al., 2019
    128: (3e-5, 3e-4),  # BERT-tiny: Turc et al., 2019
}


def encoder(folder: Path, **config: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder)


def searching(encoders: list[str], **search: Any) -> SweepSpec:
    asked = spec(compare={"loss": ["soft_triple"]}, trial={"encoder": encoders[0]}, search=search).resolved()
    if len(encoders) > 1:
        del asked["trial"]["encoder"]
        asked["search"]["encoder"] = encoders
    return SweepSpec.model_validate(asked)


@pytest.mark.parametrize(("width", "published"), PUBLISHED.items())
def test_the_rate_lies_where_papers_train_encoders_of_that_width(width: int, published: tuple[float, float]) -> None:
    assert published[0] <= suited_rate(width) <= published[1]


@pytest.mark.parametrize("key", ["hidden_size", "d_model", "n_embd", "dim", "emb_dim"])
def test_every_name_of_the_width_is_read(tmp_path: Path, key: str) -> None:
    found = rate_range([(encoder(tmp_path, **{key: 768}), None, False)])
    assert found == FloatRange(1.2e-5, 1.1e-4, log=True)


@pytest.mark.parametrize("config", [{}, {"hidden_size": "768"}, {"hidden_size": 0}, {"hidden_size": None}])
def test_an_encoder_without_a_width_gets_the_range_for_all(tmp_path: Path, config: dict[str, Any]) -> None:
    assert rate_range([(encoder(tmp_path, **config), None, False)]) == UNKNOWN


def test_updates_of_low_rank_get_four_times_the_rate(tmp_path: Path) -> None:
    folder = encoder(tmp_path, hidden_size=768)
    assert rate_range([(folder, None, True)]) == FloatRange(4.7e-5, 4.3e-4, log=True)
    for block, value, low, high in (
        ("trial", 8, 4.7e-5, 4.3e-4),
        ("search", {"low": 2, "high": 32, "log": True}, 4.7e-5, 4.3e-4),
        ("search", [0, 8], 1.2e-5, 4.3e-4),
        ("compare", [0, 8], 1.2e-5, 4.3e-4),
    ):
        asked: dict[str, Any] = {"compare": {"loss": ["soft_triple"]}, "trial": {"encoder": folder}, "search": {}}
        asked[block]["lora_rank"] = value
        found = with_rates(spec(**asked), {}).search["encoder_lr"]
        assert found == FloatRange(low, high, log=True), (block, value)


def test_the_first_trial_has_the_rate_that_suits(tmp_path: Path) -> None:
    (cell,) = cells(with_rates(searching([encoder(tmp_path, hidden_size=1024)]), {}))
    assert cell.default_config().encoder_lr == pytest.approx(2e-5, rel=0.02)


def test_encoders_of_several_widths_share_a_range(tmp_path: Path) -> None:
    names = [encoder(tmp_path / "large", hidden_size=1024), encoder(tmp_path / "small", hidden_size=384)]
    found = with_rates(searching(names), {}).search["encoder_lr"]
    assert found == FloatRange(6.7e-6, 4.3e-4, log=True)


def test_a_sweep_keeps_the_range_that_it_began_with(tmp_path: Path) -> None:
    asked = searching([encoder(tmp_path, hidden_size=1024)])
    begun = with_rates(asked, {})
    earlier = {"search": {"encoder_lr": {"low": 5e-6, "high": 5e-5, "log": True}}}  # the default until this version
    assert with_rates(asked, begun.resolved()) == begun
    assert with_rates(asked, earlier).search["encoder_lr"] == FloatRange(5e-6, 5e-5, log=True)
    assert with_rates(begun, earlier) == begun, "a range that was asked for is another search"


def test_a_rate_that_was_given_stays(tmp_path: Path) -> None:
    name = encoder(tmp_path, hidden_size=1024)
    for given in ({"low": 1e-3, "high": 1e-2, "log": False}, 1e-4):
        asked = searching([name], encoder_lr=given)
        assert with_rates(asked, {}) == asked


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="must be a folder"):
        with_rates(searching([str(tmp_path / "none")]), {})
