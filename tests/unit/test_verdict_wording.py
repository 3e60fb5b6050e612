"""The sentences of a verdict, word by word: one for every way in which a comparison can end."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import cache

import pytest

from sweep.records.spent import Spent
from sweep.report.rows import to_csv
from sweep.report.style import marks
from sweep.report.verdict_sections import verdict_sections
from sweep.report.wording import p_value as in_table
from sweep.report.write import verdict_json
from sweep.verdict import Arm, Verdict, verdict
from sweep.verdict.collapse import Mixture
from sweep.verdict.named_best import NamedBest
from sweep.verdict.numbers import duration, span
from sweep.verdict.statistics import Difference, Summary
from sweep.verdict.wording import sentence
from tests.sweeps.synthetic_results import synthetic_results
from trainable.recipes import RECIPES
from trainable.recipes.entry import Trained


@cache
def result() -> Verdict:
    """Any comparison of two losses, to be filled with other numbers."""
    losses = ("cross_entropy", "soft_triple")
    return verdict(synthetic_results(datasets=("trec",), losses=losses, draws=2, trials=1))


def told(
    *leads: tuple[str, float, float],
    family: int = 6,
    needed: int | None = 312,
    chance: float = 0.71,
    spent: float | None = None,
    equivalent: tuple[str, ...] = (),
    baseline: str = "cross_entropy",
    named_best: NamedBest | None = None,
    ahead: str | None = None,
    margin: float = 1.0,
) -> str:
    """The sentence on losses with these differences, in points, and corrected p-values, to a baseline of 70 %.

    spent: share of the others' time that the baseline took; None for as much.
    equivalent: the methods that are within 1 point of it.
    ahead: the best method; by default that of the largest lead, as where all have the same draws.
    """
    (comparison,) = result().comparisons
    mean = Summary(n=20, mean=0.7, sd=0.05, low=0.67, high=0.73)
    like = comparison.arms[0]
    cost = like.cost if spent is None else replace(like.cost, spent=Spent(spent * like.cost.spent.useful, 0.0, 1e6))
    base = replace(like, method=baseline, trains=trained(baseline), summary=mean, cost=cost)
    others = [_led(like, loss, lead / 100, p_value, needed, chance) for loss, lead, p_value in leads]
    others = [replace(arm, p_equivalent=0.01 if arm.method in equivalent else 0.4) for arm in others]
    best = max([base, *others], key=lambda each: each.difference.mean if each.difference else 0.0)
    best = next((arm for arm in others if arm.method == ahead), best)
    changed = replace(comparison, arms=(base, *others), best=best, baseline=baseline, named_best=named_best)
    return sentence(changed, family, margin)


def trained(method: str) -> Trained:
    """What a method trains: an encoder, if it is a loss or of another package."""
    return RECIPES[method].trains if method in RECIPES else "encoder"


def _led(like: Arm, loss: str, lead: float, p_value: float, needed: int | None, chance: float) -> Arm:
    difference = Difference(n=20, mean=lead, sd=0.05, low=lead - 0.021, high=lead + 0.021, p_value=p_value / 6)
    return replace(
        like,
        method=loss,
        trains=trained(loss),
        summary=Summary(n=20, mean=0.7 + lead, sd=0.05, low=0.6, high=0.8),
        difference=difference,
        p_corrected=p_value,
        draws_needed=needed,
        probability_of_best=chance,
    )


def test_a_win() -> None:
    assert told(("soft_triple", 2.9, 0.012), ("supcon", -0.2, 0.9), chance=0.98) == (
        "soft_triple won: 72.9 % against 70.0 % for cross_entropy, +2.9 points (95 % interval +0.8 to +5.0, "
        "p = 0.012 corrected for 6 tests)."
    )


def test_a_p_value_beside_the_level_shows_on_which_side_it_is() -> None:
    assert "won: " in told(("soft_triple", 2.9, 0.0497))
    assert "p = 0.04970 corrected" in told(("soft_triple", 2.9, 0.0497))
    assert "is ahead, +2.9 points (95 % interval +0.8 to +5.0 by itself, p = 0.05030 " in told(
        ("soft_triple", 2.9, 0.0503)
    )
    assert [in_table(value) for value in (0.0497, 0.0503, 0.06)] == ["0.04970", "0.05030", "0.060"]


def test_a_win_with_rivals() -> None:
    assert told(("soft_triple", 2.9, 0.012), ("supcon", -3, 0.04), ("triplet", 2.1, 0.03)) == (
        "soft_triple won: 72.9 % against 70.0 % for cross_entropy, +2.9 points (95 % interval +0.8 to +5.0, "
        "p = 0.012 corrected for 6 tests). Among all methods it comes first in 71 % of "
        "resamples. Better than cross_entropy: triplet by 2.1 points (p = 0.030). Worse than cross_entropy: supcon "
        "by 3.0 points (p = 0.040)."
    )


def test_a_lead_that_may_be_chance() -> None:
    assert told(("proxy_anchor", 0.6, 0.48), ("supcon", -0.2, 1.0), family=1) == (
        "No method can be told from cross_entropy: the best, proxy_anchor, is ahead, +0.6 points (95 % interval "
        "-1.5 to +2.7, p = 0.48); about 310 draws would be needed to resolve that."
    )


def test_the_best_by_the_draws_of_both_is_named_though_its_lead_is_not_the_largest() -> None:
    assert told(("proxy_anchor", 5.0, 1.0), ("supcon", 3.4, 0.9), ahead="supcon").startswith(
        "No method can be told from cross_entropy: the best, supcon, is ahead, +3.4 points"
    )
    assert "supcon is ahead of it on the draws of both, +1.5 points, but that may be chance" in told(
        ("soft_triple", 2, 0.01), ("supcon", 1.5, 0.2), ahead="supcon"
    )


def test_what_would_resolve_a_difference_is_a_least_number_where_collapses_are_allowed_for() -> None:
    """Of which the number knows nothing: the test asks for more."""
    (comparison,) = result().comparisons
    base = replace(comparison.arms[0], summary=Summary(n=20, mean=0.7, sd=0.05, low=0.67, high=0.73))
    led = _led(base, "soft_triple", 0.006, 0.4, 312, 0.5)
    assert led.difference is not None
    allowed = Mixture(mean=0.006, trained=None, ours=None, theirs=None)
    mixed = replace(led, difference=replace(led.difference, mixture=allowed))
    for arm, count in ((led, "; about 310 draws"), (mixed, "; at least 310 draws")):
        assert count in sentence(replace(comparison, arms=(base, arm), best=arm, baseline=base.method), 6, 1.0)


def test_how_many_draws_are_needed_is_said_only_where_it_helps() -> None:
    assert "; more than 100,000 draws would be needed" in told(("proxy_anchor", 0.01, 0.9), needed=None)
    assert "needed" not in told(("proxy_anchor", 4, 0.06), needed=12)


def test_a_baseline_that_nothing_beats() -> None:
    assert told(("proxy_anchor", -0.6, 0.5), ("supcon", -8, 0.0004)) == (
        "No method is shown to be better than cross_entropy, which has the highest mean, 70.0 %: proxy_anchor, the "
        "next, is behind, -0.6 points (95 % interval -2.7 to +1.5, p = 0.50 corrected for 6 tests); "
        "about 310 draws would be needed to resolve that. Worse than cross_entropy: supcon by 8.0 points (p < 0.001)."
    )


def test_a_difference_beside_its_interval_has_its_sign() -> None:
    """ "Behind by 2.2 points (-16.9 to 12.4)" has one sign for the difference and another for its interval."""
    text = told(("proxy_anchor", -2.2, 0.5), ("supcon", -3, 0.3))
    assert "is behind, -2.2 points (95 % interval -4.3 to -0.1" in text
    assert "is ahead, +2.2 points (95 % interval +0.1 to +4.3" in told(("proxy_anchor", 2.2, 0.5))
    assert span(-0.0004, 0.0004) == "0.0 to 0.0", "nothing has no sign"


def test_a_baseline_that_beats_every_other_loss() -> None:
    assert told(("proxy_anchor", -6, 0.002), ("supcon", -8, 0.0004)) == (
        "cross_entropy, the baseline, won with 70.0 % (95 % interval 67.0 to 73.0, 20 draws). Worse than "
        "cross_entropy: proxy_anchor by 6.0 points (p = 0.002), supcon by 8.0 points (p < 0.001)."
    )


def test_a_highest_mean_that_may_be_chance_beside_a_sure_gain() -> None:
    assert told(("proxy_anchor", 3, 0.2), ("soft_triple", 2, 0.01)) == (
        "soft_triple is better than cross_entropy: +2.0 points (95 % interval -0.1 to +4.1, p = 0.010 corrected for "
        "6 tests). proxy_anchor has the highest mean, +3.0 points, but that may be chance (95 % interval +0.9 to +5.1 "
        "by itself, p = 0.20 corrected for 6 tests)."
    )


def test_the_largest_of_several_differences_flatters() -> None:
    shrunk = NamedBest(mean=0.021, low=-0.004, high=0.05, of=3)
    said = told(("soft_triple", 2.9, 0.012), ("supcon", 1.0, 0.4), named_best=shrunk)
    assert (
        "p = 0.012 corrected for 6 tests). Among all methods it comes first in 71 % of resamples. As the largest of "
        "3 differences, that of soft_triple flatters: allowing for that, its estimate is +2.1 points (-0.4 to +5.0)."
    ) in said
    same = NamedBest(mean=0.0292, low=0.008, high=0.05, of=3)
    assert "flatters" not in told(("soft_triple", 2.9, 0.012), ("supcon", 1.0, 0.4), named_best=same)
    more = NamedBest(mean=0.041, low=0.008, high=0.07, of=3)
    assert "flatters" not in told(("soft_triple", 2.9, 0.012), ("supcon", 1.0, 0.4), named_best=more), (
        "it is worth more"
    )
    assert "flatters" not in told(("soft_triple", -2.9, 0.5), ("supcon", -5, 0.4), named_best=shrunk), "nobody is named"


def test_a_difference_of_nothing_has_no_sign() -> None:
    assert "the best of the others, has the same mean, 70.0 % (95 % interval -2.1 to +2.1," in told(
        ("proxy_anchor", -0.001, 1.0)
    )


def test_what_is_within_the_margin_is_said() -> None:
    text = told(("soft_triple", 0.2, 0.8), ("supcon", -0.1, 0.9), equivalent=("soft_triple", "supcon"))
    assert text.endswith(" Within 1 point of cross_entropy: soft_triple, supcon.")


def test_whether_training_pays_is_said_where_the_frozen_encoder_is_the_baseline() -> None:
    undecided = told(("soft_triple", 0.8, 0.3), ("supcon", -3, 0.01), baseline="frozen")
    assert undecided.endswith(" Training is not shown to pay here.")
    settled = told(("soft_triple", 0.2, 0.8), ("supcon", -3, 0.01), equivalent=("soft_triple",), baseline="frozen")
    assert settled.endswith(" Training does not pay here: nothing gains 1 point.")
    without = told(("soft_triple", -2, 0.01), ("supcon", -3, 0.01), baseline="frozen", margin=0.0)
    assert without.endswith(" Training does not pay here: all that train are worse.")
    assert "Training" not in told(("soft_triple", 2.9, 0.01), baseline="frozen")
    assert "Training" not in told(("label_names", 0.8, 0.3), baseline="frozen"), "neither trains an encoder"


def test_a_lead_that_another_way_of_reading_turns_round_is_said_to_be_none() -> None:
    (comparison,) = result().comparisons
    like = comparison.arms[0]
    led = replace(_led(like, "soft_triple", -0.019, 0.01, 20, 0.5), turned={"nearest": 0.004})
    base = replace(like, method="cross_entropy", summary=Summary(n=20, mean=0.7, sd=0.05, low=0.67, high=0.73))
    text = sentence(replace(comparison, arms=(base, led), best=base, baseline="cross_entropy"), 1)
    assert text.endswith(
        " But other ways to read the same models turn that round: by the nearest proxy or centroid, soft_triple is "
        "ahead by 0.4 points compared with cross_entropy."
    )


def test_the_only_confirmed_method_is_not_said_to_have_the_highest_mean() -> None:
    """As that of predictions, which need no training, while the others are still searched."""
    (comparison,) = result().comparisons
    first, second = (replace(arm, summary=None, difference=None) for arm in comparison.arms[:2])
    third = replace(second, method="supcon")
    only = replace(second, summary=Summary(n=5, mean=0.7, sd=0.05, low=0.67, high=0.73))
    running = replace(comparison, arms=(first, only, third), best=only, baseline=first.method)
    assert sentence(running, 1).startswith(f"Only {only.method} is confirmed, with 70.0 % (")
    also = replace(third, summary=Summary(n=5, mean=0.6, sd=0.05, low=0.57, high=0.63))
    assert "has the highest mean" in sentence(replace(running, arms=(first, only, also)), 1)


def test_the_best_is_compared_with_what_everybody_would_do() -> None:
    (comparison,) = result().comparisons
    difference = Difference(n=20, mean=0.012, sd=0.05, low=-0.004, high=0.028, p_value=0.2)
    led = replace(comparison, references={"setfit": difference})
    told_of = sentence(replace(led, baseline=comparison.arms[0].method), 1)
    assert comparison.best is not None
    assert told_of.endswith(
        f" {comparison.best.method} differs from setfit by +1.2 points (95 % interval -0.4 to +2.8), which is not "
        "tested."
    )


def test_how_winners_were_chosen() -> None:
    assert result().selection == (
        "The winner of a cell is its completed trial with the highest mean validation accuracy over 3 draws of the "
        "search, scored on as many rows as a draw trains on. Its test scores come from 2 fresh draws, which the "
        "search never used."
    )


def test_a_difference_on_fewer_draws_than_the_means_beside_it_says_so() -> None:
    """78.3 against 60.0 % is not +10.2 points; and a mean over fewer draws may be higher without being ahead."""
    (comparison,) = result().comparisons
    mean = Summary(n=20, mean=0.6, sd=0.05, low=0.57, high=0.63)
    base = replace(comparison.arms[0], method="cross_entropy", summary=mean)

    def of(lead: float, p_value: float) -> str:
        led = _led(base, "supcon", lead, p_value, 20, 0.99)
        assert led.difference is not None
        shown = Summary(n=4, mean=0.783, sd=0.05, low=0.6, high=0.8)
        arm = replace(led, summary=shown, difference=replace(led.difference, n=4))
        best = arm if lead > 0 else base
        return sentence(replace(comparison, arms=(base, arm), best=best, baseline="cross_entropy"), 1)

    won = "supcon won: 78.3 % against 60.0 % for cross_entropy, +10.2 points on the 4 draws of both (95 % interval"
    assert of(0.102, 0.01).startswith(won)
    assert "is ahead, +10.2 points on the 4 draws of both (" in of(0.102, 0.3)
    assert "cross_entropy, which none is ahead of on the draws of both: supcon, the next, is behind" in of(-0.02, 0.3)
    assert "has the same mean on the 4 draws of both (" in of(0.0, 1.0)


def test_one_draw_tells_nothing_of_others() -> None:
    """Neither in sentences nor in tables is there an interval of no width, or a method that is surely the best."""
    found = verdict(synthetic_results(shots=(8, 16), draws=1, trials=1, losses=("cross_entropy", "soft_triple")))
    for each in found.comparisons:
        assert "(one draw, p = 1.00 corrected for 4 tests)" in each.sentence
        assert {arm.probability_of_best for arm in each.arms} == {None}
    assert "come from 1 fresh draw, which" in found.selection
    assert found.outlooks == ()
    (table,) = verdict_sections(found, marks(["cross_entropy", "soft_triple"]), "accuracy")[0].tables
    assert all(row[4] == row[6] == row[8] == "–" and "(" not in row[3] for row in table.rows)
    (gain,) = verdict_sections(found, marks(["cross_entropy", "soft_triple"]), "accuracy")[4].tables[0].rows
    assert gain[4] == "–"
    assert "–" not in gain[5], "what the datasets themselves tell"
    first = next(csv.DictReader(to_csv(found).splitlines()))
    assert float(first["mean"]) > 0
    assert first["sd"] == first["low"] == first["high"] == first["probability_of_best"] == ""
    assert json.loads(verdict_json(found))["comparisons"][0]["arms"][0]["summary"]["low"] is None


def test_a_method_that_others_are_ahead_of_is_not_called_the_next() -> None:
    """The others may be shown to be worse, as by an interval that no collapse has widened."""
    text = told(("soft_triple", -24.9, 0.01), ("supcon", -49.6, 1.0))
    assert "supcon, which is not shown to be worse, is behind, -49.6 points" in text
    assert "the next" not in text
    assert "Worse than cross_entropy: soft_triple by 24.9 points" in text
    assert "supcon, the next, is behind" in told(("soft_triple", -24.9, 0.01), ("supcon", -2.0, 1.0))


def test_a_cheap_baseline_that_nothing_is_shown_to_beat() -> None:
    cheap = " cross_entropy took 0.8 s of workers' time, soft_triple 40 s."
    assert told(("soft_triple", 2.9, 0.12), ("supcon", -3, 0.04), spent=0.02).endswith(cheap)
    assert told(("soft_triple", -2.9, 0.01), ("supcon", -3, 0.04), spent=0.02).endswith(cheap)
    dear = " soft_triple took 40 s of workers' time, cross_entropy 0.8 s."
    assert told(("soft_triple", 2.9, 0.01), spent=0.02).endswith(dear), (
        "whether it was worth it is for the reader to say, and what was interrupted is no cost of the baseline"
    )
    assert "took" not in told(("soft_triple", 2.9, 0.12), spent=0.6), "it is not much less"
    for p_value in (0.01, 0.12):
        text = told(("soft_triple", 2.9, p_value), spent=0.02, baseline="predictions")
        assert "took" not in text, "their time was spent elsewhere"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.004, "under 0.01 s"),
        (0.25, "0.25 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (119, "119 s"),
        (150, "2 min"),
        (12240, "3.4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
