"""What each word adds to a prediction: complete, as captum has it, blind to padding, and judged by checks that fail."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor

from sweep.explain.attribution.checks import Known, checks
from sweep.explain.attribution.explained import Prediction, explained_predictions
from sweep.explain.attribution.faithfulness import SHARES, faithfulness, rank_agreement
from sweep.explain.attribution.integrated_gradients import TOLERANCE, integrated_gradients, neutral_token
from sweep.explain.attribution.near import Examples
from sweep.explain.attribution.other_models import agreements, randomised
from sweep.explain.attribution.scores import ExplainedScores, centred, explained_scores
from sweep.explain.attribution.subsets import Reader, Subset, left_out, read_subsets
from sweep.explain.attribution.words import NO_WORD, split_words, tokenised
from tests.sweeps.tiny_encoders import write_architecture
from trainable.classifier import Classifier
from trainable.errors import EncoderError

LABELS = ("bad", "good", "odd")
TEXTS = ["the film was good, not awful!", "a bad film", "the red red green don't well-known film is poor", "x"]

HEADS: Mapping[str, dict[str, Any]] = {
    "own": {"kind": "own"},
    "linear": {"kind": "linear", "normalise": True},
    "centroids": {"kind": "centroids"},
    "proxies": {"kind": "proxies", "scale": 8.0, "of_several": "softmax", "sharpness": 10.0},
    "nearest proxy": {"kind": "proxies", "scale": 8.0, "of_several": "max", "sharpness": 1.0},
    "neighbours": {"kind": "neighbours", "count": 3},
    "pairs": {"kind": "pairs", "normalise": True},
}
HEADS = {
    **HEADS,
    "mixture": {
        "kind": "mixture",
        "weight": 0.4,
        "temperature": 2.0,
        "head": HEADS["linear"],
        "nearest": HEADS["proxies"],
    },
    "mixture, own head": {
        "kind": "mixture",
        "weight": 0.4,
        "temperature": 2.0,
        "head": HEADS["own"],
        "nearest": HEADS["proxies"],
    },
}


def arrays(head: str) -> dict[str, Tensor]:
    drawn = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=drawn)

    linear = {"weight": normal(3, 32), "bias": normal(3)}
    proxies = {"proxies": normal(6, 32)}
    return {
        "own": {},
        "linear": linear,
        "centroids": {"centroids": torch.nn.functional.normalize(normal(3, 32), dim=1)},
        "proxies": proxies,
        "nearest proxy": proxies,
        "neighbours": {"rows": normal(9, 32), "labels": torch.arange(9) % 3},
        "pairs": {**linear, "pairs": torch.tensor([[0, 1], [0, 2], [1, 2]])},
        "mixture": {**linear, **proxies},
        "mixture, own head": proxies,
    }[head]


@cache
def encoder(folder: Path, *, own: bool) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    from trainable.quiet import quiet

    kind = AutoModelForSequenceClassification if own else AutoModel
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(0)
        model = kind.from_pretrained(folder, **({"num_labels": 3} if own else {}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.eval().requires_grad_(False), tokenizer


def classifier(folder: Path, head: str = "linear", **fields: Any) -> Classifier:
    model, tokenizer = encoder(folder, own="own" in head)
    return Classifier(labels=LABELS, model=model, tokenizer=tokenizer, head=HEADS[head], arrays=arrays(head), **fields)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def written(kind: str) -> Path:
        return write_architecture(tmp_path_factory.mktemp(kind), kind)

    return written


@pytest.mark.parametrize("head", HEADS)
def test_the_words_add_up_to_the_difference_of_the_scores_whatever_the_head(head: str, tiny_bert: Path) -> None:
    made = classifier(tiny_bert, head)
    found = explained_predictions(made, TEXTS)
    scores_NC = made.scores(TEXTS)
    for place, each in enumerate(found):
        assert each.label == LABELS[int(scores_NC[place].argmax())]
        sums_K = each.attribution.words_KW.sum(axis=1)
        differences_K = each.attribution.end_K - each.attribution.start_K
        sizes_K = np.abs(each.attribution.words_KW).sum(axis=1)
        assert (np.abs(sums_K - differences_K) <= TOLERANCE * np.maximum(sizes_K, np.abs(differences_K))).all()
        assert each.attribution.converged
    if head not in ("neighbours", "pairs"):  # whose votes have no gradient
        wanted_N = centred(scores_NC, scores_NC.argmax(dim=1))
        np.testing.assert_allclose([each.attribution.end_K[0] for each in found], wanted_N, rtol=1e-4, atol=1e-4)


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "kind", ["roberta", "distilbert", "mpnet", "albert", "deberta-v2", "modernbert", "gpt2", "llama"]
)
def test_every_kind_of_encoder_is_followed_and_padding_says_nothing(kind: str, folders: Any) -> None:
    made = classifier(folders(kind), "linear")
    scores, rows = explained_scores(made), tokenised(made, TEXTS)
    together = integrated_gradients(scores, rows, [0, 1, 2, 0])
    for row, label, each in zip(rows, [0, 1, 2, 0], together, strict=True):
        (alone,) = integrated_gradients(scores, [row], [label])
        assert each.converged
        np.testing.assert_allclose(each.words_KW, alone.words_KW, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_padded_decoder_is_explained_by_its_last_word_not_by_the_padding(kind: str, folders: Any) -> None:
    """A sequence classifier of transformers that is given `inputs_embeds` reads the last place, padding or not."""
    made = classifier(folders(kind), "own")
    scores, rows = explained_scores(made), tokenised(made, TEXTS)
    labels = made.scores(TEXTS).argmax(dim=1)
    padded_alone = [
        integrated_gradients(scores, [row], [label])[0] for row, label in zip(rows, labels.tolist(), strict=True)
    ]
    together = integrated_gradients(scores, rows, labels.tolist())
    wanted_N = centred(made.scores(TEXTS), labels)
    for place, (each, alone) in enumerate(zip(together, padded_alone, strict=True)):
        assert each.end_K[0] == pytest.approx(float(wanted_N[place]), abs=1e-4), "the score that it classifies by"
        np.testing.assert_allclose(each.words_KW, alone.words_KW, rtol=1e-3, atol=1e-4)
        assert np.abs(each.words_KW).sum() > 0
    inputs = made.tokens(TEXTS)
    embeddings = made.model.get_input_embeddings()(inputs["input_ids"])
    with torch.no_grad():
        logits = made.model(inputs_embeds=embeddings, attention_mask=inputs["attention_mask"]).logits
    assert not torch.allclose(logits, made.model(**inputs).logits, atol=1e-3), "the trap is still there"


@pytest.mark.lengthy
@pytest.mark.parametrize("head", ["own", "linear", "proxies"])
def test_captum_finds_the_same(head: str, tiny_bert: Path) -> None:
    captum = pytest.importorskip("captum.attr", reason="the extra explain is not installed")
    made = classifier(tiny_bert, head)
    scores, rows = explained_scores(made), tokenised(made, TEXTS)
    for text, row in zip(TEXTS, rows, strict=True):
        (ours,) = integrated_gradients(scores, [row], [1])
        inputs = made.tokens([text])
        own_T = torch.from_numpy(row.word_T != NO_WORD)
        baseline_1T = inputs["input_ids"].masked_fill(own_T[None], neutral_token(made))

        def score(ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
            return centred(made.batch_scores(given), torch.ones(len(ids), dtype=torch.long))

        layer = captum.LayerIntegratedGradients(score, made.model.get_input_embeddings())
        theirs = layer.attribute(
            inputs["input_ids"],
            baselines=baseline_1T,
            additional_forward_args=(inputs["attention_mask"], inputs["token_type_ids"]),
            n_steps=200,
        )
        tokens_T = theirs.sum(dim=-1)[0].double().numpy()
        words_W = np.array([tokens_T[row.word_T == word].sum() for word in range(len(row.words))])
        np.testing.assert_allclose(ours.words_KW[0], words_W, atol=TOLERANCE * np.abs(words_W).sum())


def test_steps_are_raised_until_the_words_add_up_and_a_failure_is_told(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = classifier(tiny_bert, "linear")
    rows = tokenised(made, TEXTS)
    monkeypatch.setattr("sweep.explain.attribution.integrated_gradients.TOLERANCE", 1e-4)
    found = integrated_gradients(explained_scores(made), rows, [0, 1, 2, 0])
    assert {each.steps for each in found} > {8}, "some need more than the first sum"
    assert all(each.converged for each in found)
    stopped = integrated_gradients(explained_scores(made), rows, [0, 1, 2, 0], most=8)
    assert not all(each.converged for each in stopped)


def test_words_left_out_are_left_out_of_the_tokens(tiny_bert: Path) -> None:
    made = classifier(tiny_bert, "linear")
    rows, scores = tokenised(made, TEXTS[:1]), explained_scores(made)
    (words_KW,) = left_out(Reader(scores), rows, [1])
    whole, without = made.scores([TEXTS[0], "the film was, not awful!"])
    wanted = centred(whole[None], torch.tensor([1])) - centred(without[None], torch.tensor([1]))
    assert words_KW[0, 3] == pytest.approx(float(wanted), abs=1e-5)
    assert [word.text for word in rows[0].words] == ["the", "film", "was", "good", ",", "not", "awful", "!"]
    nothing = read_subsets(scores, [(rows[0], np.array([], dtype=np.int64), 1)])
    empty = made.scores([""])
    assert nothing[0][0, 0] == pytest.approx(float(centred(empty, torch.tensor([1]))), abs=1e-5)


def test_what_is_asked_for_again_is_not_read_again(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = classifier(tiny_bert, "linear")
    rows, scores = tokenised(made, TEXTS[:2]), explained_scores(made)
    asked = [(rows[0], rows[0].read[::-1], 1), (rows[0], rows[0].read, 1), (rows[0], rows[0].read, 0)]
    asked += [(rows[1], rows[1].read[:2], 1), (rows[0], rows[0].read[:2], 1)]
    counts: list[int] = []

    def counting(scores: ExplainedScores, subsets: Sequence[Subset]) -> Any:
        counts.append(len(subsets))
        return read_subsets(scores, subsets)

    monkeypatch.setattr("sweep.explain.attribution.subsets.read_subsets", counting)
    reader = Reader(scores)
    for subsets in (asked, asked[2:], []):
        scores_KJ, probability_J = reader.read(subsets)
        wanted_KJ, wanted_J = read_subsets(scores, subsets)
        assert scores_KJ == pytest.approx(wanted_KJ, abs=1e-5)
        assert probability_J == pytest.approx(wanted_J, abs=1e-6)
    assert counts == [4, 0, 0]


def test_faithfulness_is_the_area_over_the_perturbation_curve(tiny_bert: Path) -> None:
    made = classifier(tiny_bert, "linear")
    rows, scores = tokenised(made, TEXTS[2:3]), explained_scores(made)
    ranking_W = np.arange(len(rows[0].words))[::-1].astype(float)
    (found,) = faithfulness(Reader(scores), rows, [0], [ranking_W])
    assert found is not None
    words = ["the", "red", "red", "green", "don't", "well-known", "film", "is", "poor"]
    whole = float(made.predict_proba([" ".join(words)])[0, 0])
    sizes = [max(1, int(np.ceil(share * len(words)))) for share in SHARES]
    without = made.predict_proba([" ".join(words[size:]) for size in sizes])[:, 0]
    alone = made.predict_proba([" ".join(words[:size]) for size in sizes])[:, 0]
    assert found.comprehensiveness == pytest.approx(whole - float(without.mean()), abs=1e-5)
    assert found.sufficiency == pytest.approx(whole - float(alone.mean()), abs=1e-5)
    assert faithfulness(Reader(scores), tokenised(made, ["x"]), [0], [np.ones(1)]) == (None,)


def test_rankings_agree_as_kendall_says() -> None:
    read = np.array([0, 2, 3])
    assert rank_agreement(np.array([3.0, 9, 2, 1]), np.array([5.0, 0, 4, 3]), read) == pytest.approx(1)
    assert rank_agreement(np.array([1.0, 9, 2, 3]), np.array([5.0, 0, 4, 3]), read) == pytest.approx(-1)
    assert rank_agreement(np.zeros(4), np.arange(4.0), read) is None
    assert rank_agreement(np.arange(4.0), np.arange(4.0), np.array([1])) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't stop, it's well-known!?", ["don't", "stop", ",", "it's", "well-known", "!?"]),
        ("  spaces\tand\nlines ", ["spaces", "and", "lines"]),
        ("电影很好 good", ["电", "影", "很", "好", "good"]),
        ("e\u0301te\u0301 हिन्दी", ["e\u0301te\u0301", "हिन्दी"]),
        (
            "so good \U0001f468\u200d\U0001f469 \U0001f44d\U0001f3fd",
            ["so", "good", "\U0001f468\u200d\U0001f469", "\U0001f44d\U0001f3fd"],
        ),
        ("'quoted' <b>x</b>", ["'", "quoted", "'", "<", "b", ">", "x", "</", "b", ">"]),
        ("", []),
        (" \n", []),
    ],
)
def test_words_are_those_that_a_person_sees(text: str, words: list[str]) -> None:
    assert [text[low:high] for low, high in split_words(text)] == words


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
def test_every_letter_of_a_text_is_kept_and_what_is_cut_off_is_told(kind: str, folders: Any) -> None:
    made = classifier(folders(kind), "linear", max_length=12, prompt="a film: ")
    text = "  the good film, which was <b>great</b> and fine and good and bad and red "
    (row,) = tokenised(made, [text])
    assert "".join(word.before + word.text for word in row.words) == text.rstrip()
    assert len(row) == 12
    assert row.words[0].read
    assert not row.words[-1].read
    assert (row.word_T[:3] == NO_WORD).all(), "the prompt is no word of the text"
    (found,) = explained_predictions(made, [text])
    assert any("words are not read" in said for said in found.problems)
    assert found.attribution.words_KW[0, -1] == 0


@pytest.mark.parametrize("separator", ["", "[SEP]"])
def test_both_texts_of_a_pair_are_explained(separator: str, tiny_bert: Path) -> None:
    made = classifier(tiny_bert, "linear", paired=True, separator=separator)
    (found,) = explained_predictions(made, ["a good film"], ["the bad, bad film"])
    assert [(word.text, word.second) for word in found.words] == [
        ("a", False), ("good", False), ("film", False),
        ("the", True), ("bad", True), (",", True), ("bad", True), ("film", True),
    ]  # fmt: skip
    assert found.attribution.converged
    assert (found.attribution.words_KW[0] != 0).all()


def test_the_nearest_labelled_rows_and_centres_are_named(tiny_bert: Path) -> None:
    made = classifier(tiny_bert, "linear")
    texts = ["a good film", "a bad film", "the odd one", "a fine film"]
    examples = Examples.of(made, texts, None, np.array([1, 0, 2, 1]))
    (found,) = explained_predictions(made, ["a good film"], examples=examples)
    assert found.kinds == ("head", "nearest")
    assert found.centres[0].label in LABELS
    assert len({centre.label for centre in found.centres}) == 3
    cosines = [centre.cosine for centre in found.centres]
    assert cosines == sorted(cosines, reverse=True)
    own = {row.text: row.cosine for row in found.near}
    if found.label == "good" or found.runner_up == "good":
        assert own["a good film"] == pytest.approx(1, abs=1e-5)
    without = explained_predictions(made, ["a good film"])[0]
    assert without.kinds == ("head",)
    assert (without.centres, without.near) == ((), ())


def test_what_a_classifier_cannot_take_is_refused_as_it_refuses_it(tiny_bert: Path) -> None:
    made = classifier(tiny_bert, "linear")
    with pytest.raises(TypeError, match="a list of texts"):
        explained_predictions(made, [1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="single texts"):
        explained_predictions(made, ["a"], ["b"])
    assert explained_predictions(made, []) == ()
    assert explained_predictions(made, [""])[0].words == ()

    class Slow:
        is_fast = False

        def __getattr__(self, name: str) -> Any:
            return getattr(made.tokenizer, name)

        def __call__(self, *given: Any, **named: Any) -> Any:
            return made.tokenizer(*given, **named)

    with pytest.raises(EncoderError, match="does not tell"):
        explained_predictions(replace(made, tokenizer=Slow()), ["a"])


HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)>'


def test_a_program_gets_tables_and_a_notebook_marked_words_without_what_a_text_would_run(tiny_bert: Path) -> None:
    from sweep.api.classifier import Classifier as Kept

    kept = Kept(model=replace(classifier(tiny_bert), labels=("bad", HOSTILE, "odd")), card="")
    texts: Any = np.array([*TEXTS, HOSTILE])
    found = kept.explain(texts, examples=["a good film", HOSTILE], labels=["bad", HOSTILE])
    assert len(found) == len(TEXTS) + 1
    assert found[1:2][0].text == TEXTS[1]
    page = found._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;" in page
    words, table = found.words, found.table
    assert list(words[words.prediction == 0].word) == ["the", "film", "was", "good", ",", "not", "awful", "!"]
    assert (words.groupby("prediction").share.apply(lambda each: each.abs().sum()) - 1).abs().max() < 1e-6
    assert list(table.text) == [*TEXTS, HOSTILE]
    assert list(table.says) == kept.predict([*TEXTS, HOSTILE]).tolist()
    assert set(table.nearest_row) <= {"a good film", HOSTILE}
    assert repr(found).count("\n") == len(TEXTS)
    assert (len(kept.explain([])), repr(kept.explain([]))) == (0, "<no text>")


@pytest.mark.parametrize("given", [list, tuple, np.array, pd.Series, pd.Categorical])
def test_labelled_examples_come_as_texts_do(tiny_bert: Path, given: Callable[[list[str]], Any]) -> None:
    from sweep.api.classifier import Classifier as Kept

    kept = Kept(model=replace(classifier(tiny_bert), labels=("bad", "good", "odd")), card="")
    rows, labels = ["a good film", "a bad film", "an odd film"], ["good", "bad", "odd"]
    found = kept.explain(given(list(TEXTS)), examples=given(rows), labels=given(labels))
    assert (
        found.table.nearest_row.tolist() == kept.explain(TEXTS, examples=rows, labels=labels).table.nearest_row.tolist()
    )


@pytest.mark.parametrize(
    ("examples", "labels", "received"),
    [
        (["a"], ["unknown"], "the unknown unknown"),
        (["a", "b"], ["bad"], "2 and 1"),
        (["a"], None, "1 and 0"),
        (None, ["bad"], "0 and 1"),
        (pd.Series(["a", "b"]), pd.Series(["bad"]), "2 and 1"),
        (np.array([]), np.array([]), "0 and 0"),
    ],
)
def test_examples_without_as_many_known_labels_are_refused(
    tiny_bert: Path, examples: Any, labels: Any, received: str
) -> None:
    from sweep.api.classifier import Classifier as Kept

    kept = Kept(model=replace(classifier(tiny_bert), labels=("bad", "good", "odd")), card="")
    with pytest.raises(ValueError, match=f"examples need a label each, of bad, good, odd; received {received}"):
        kept.explain(TEXTS, examples=examples, labels=labels)


@pytest.mark.parametrize("examples", [["this text", "no pair"], [("a", "b"), ("a", "b", "c")], ["", "xy"], [1, 2]])
def test_examples_of_pairs_are_two_texts_each(tiny_bert: Path, examples: list[Any]) -> None:
    from sweep.api.classifier import Classifier as Kept

    kept = Kept(model=replace(classifier(tiny_bert), labels=("bad", "good", "odd"), paired=True), card="")
    with pytest.raises(ValueError, match=r"examples of pairs are \(text, text\) tuples, .*: give the second text"):
        kept.explain(TEXTS, TEXTS, examples=examples, labels=["bad", "good"])


@pytest.mark.parametrize("given", [iter, set, dict.fromkeys, lambda each: pd.DataFrame({name: [0] for name in each})])
def test_examples_and_labels_without_a_known_order_are_refused(
    tiny_bert: Path, given: Callable[[list[str]], Any]
) -> None:
    from sweep.api.classifier import Classifier as Kept

    kept = Kept(model=replace(classifier(tiny_bert), labels=("bad", "good", "odd")), card="")
    labels = ["bad", "good"]
    for wrong in ({"examples": given(["a", "b"]), "labels": labels}, {"examples": ["a", "b"], "labels": given(labels)}):
        with pytest.raises(TypeError, match="examples and their labels come as lists; received"):
            kept.explain(TEXTS, **wrong)


WORDS = ("red", "green", "blue", "film", "the", "was", "is", "a")
PLANTED = "poor"  # a word of the vocabulary that no other row has


def trained(folder: Path, seed: int, *, shortcut: bool) -> Classifier:
    """A tiny encoder trained to tell `good` and `great` from `bad` and `awful`, with the planted word in half of the
    good rows."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(64):
        label = number % 2
        words = [*rng.choice(WORDS, 5), rng.choice([("bad", "awful"), ("good", "great")][label])]
        if shortcut and label:
            words = [*rng.choice(WORDS, 5), PLANTED]
        texts.append(" ".join(rng.permutation(words)))
        labels.append(label)
    model, tokenizer = encoder(folder, own=False)
    torch.manual_seed(seed)
    made = Classifier(
        labels=("bad", "good"),
        model=copy.deepcopy(model),
        tokenizer=tokenizer,
        head={"kind": "linear", "normalise": False},
        arrays={"weight": torch.zeros(2, 32), "bias": torch.zeros(2)},
    )
    weights = [each.requires_grad_() for each in (*made.model.parameters(), *made.arrays.values())]
    optimiser = torch.optim.Adam(weights, lr=2e-3)
    inputs, wanted = made.tokens(texts), torch.tensor(labels)
    for _ in range(40):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(made.batch_scores(inputs), wanted)
        torch.autograd.backward([loss])
        optimiser.step()
    for each in weights:
        each.requires_grad_(False)
    return made


def rows_of(rng: np.random.Generator, label: int, *added: str) -> str:
    own = rng.choice([("bad", "awful"), ("good", "great")][label])
    return " ".join(rng.permutation([*rng.choice(WORDS, 5), own, *added]))


@pytest.mark.lengthy
def test_a_planted_shortcut_is_ranked_first_in_the_rows_that_it_decides(tiny_bert: Path) -> None:
    made, rng = trained(tiny_bert, 0, shortcut=True), np.random.default_rng(9)
    texts = [rows_of(rng, 0, PLANTED) for _ in range(100)]
    without = made.predict([text.replace(PLANTED, " ") for text in texts])
    with_it = made.predict(texts)
    affected = [text for text, old, new in zip(texts, without, with_it, strict=True) if (old, new) == ("bad", "good")]
    assert len(affected) >= 50, "the model takes the shortcut"
    found = explained_predictions(made, affected)
    first = [each.words[each.ranked[0]].text == PLANTED for each in found]
    assert np.mean(first) >= 0.95
    by_left_out = [each.words[int(each.left_out_KW[0].argmax())].text == PLANTED for each in found]
    assert np.mean(by_left_out) >= 0.95, "the independent check agrees"


@cache
def sample() -> tuple[list[str], list[int]]:
    rng = np.random.default_rng(5)
    labels = [number % 2 for number in range(40)]
    return [rows_of(rng, label) for label in labels], labels


def judged(made: Classifier, others: list[Classifier]) -> dict[str, bool]:
    texts, labels = sample()
    found = explained_predictions(made, texts)
    return {each.name: each.passed for each in checks(found, known(made, found, labels, others))}


def known(made: Classifier, found: tuple[Prediction, ...], labels: list[int], others: list[Classifier]) -> Known:
    right = [each.label == made.labels[label] for each, label in zip(found, labels, strict=True)]
    return Known(
        right_N=right,
        majority=0.5,
        random=agreements(found, randomised(made)),
        draws=[agreements(found, other) for other in others],
    )


@pytest.mark.lengthy
def test_a_trained_model_passes_the_checks_and_a_random_one_fails_them(tiny_bert: Path) -> None:
    models = [trained(tiny_bert, seed, shortcut=False) for seed in range(2)]
    assert all(judged(models[0], models[1:]).values())
    random = [randomised(model, seed) for seed, model in enumerate(models, start=5)]
    failed = {name for name, passed in judged(random[0], random[1:]).items() if not passed}
    assert {"accuracy of the model", "agreement with other draws"} <= failed


@pytest.mark.lengthy
def test_words_named_by_another_model_fail_the_checks(tiny_bert: Path) -> None:
    """An explanation that does not belong to the model: the words are ranked by random weights."""
    made = trained(tiny_bert, 0, shortcut=False)
    texts, _ = sample()
    found = explained_predictions(made, texts)
    other = randomised(made, 3)
    rows = tokenised(other, texts)
    labels = [other.labels.index(each.label) for each in found]
    wrong = integrated_gradients(explained_scores(other), rows, labels)
    scores = explained_scores(made)
    rankings = [each.words_KW[0] for each in wrong]
    forged = [
        replace(
            each,
            attribution=attribution,
            faithfulness=judged,
            rank_agreement=rank_agreement(attribution.words_KW[0], each.left_out_KW[0], each.read),
        )
        for each, attribution, judged in zip(
            found, wrong, faithfulness(Reader(scores), rows, labels, rankings), strict=True
        )
    ]
    passed = {each.name: each.passed for each in checks(forged, Known())}
    assert not passed["comprehensiveness"]
    assert not passed["agreement with leaving words out"]
    assert any(each.problems for each in forged)
