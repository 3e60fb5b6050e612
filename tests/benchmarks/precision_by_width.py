"""From which width on is an encoder faster in mixed precision on this processor?

    python -m tests.benchmarks.precision_by_width

Random BERTs of four layers, 16 rows of 20 tokens, one thread: steps of AdamW and the scoring of rows, in fp32 and in
bf16 by turns. Printed are ratios of processor time, which other work on the machine disturbs least; above 1, mixed
precision is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

__all__ = ["main", "ratio"]

WIDTHS = (32, 64, 128, 192, 256, 384, 768)
ROUNDS = 7


def ratio(run: Callable[[bool], object], repeats: int) -> float:
    """Return the processor time of `run(False)` over that of `run(True)`: the medians of rounds of so many repeats."""
    spent: dict[bool, list[float]] = {False: [], True: []}
    for bf16 in spent:
        run(bf16)  # the first of a kind is prepared
    for _ in range(ROUNDS):
        for bf16, seconds in spent.items():
            began = time.process_time()
            for _ in range(repeats):
                run(bf16)
            seconds.append(time.process_time() - began)
    return median(spent[False]) / median(spent[True])


def runs(width: int) -> tuple[Callable[[bool], object], Callable[[bool], object]]:
    """Return a step of training and the scoring of rows, by a random BERT of this width."""
    import torch
    from transformers import BertConfig, BertModel

    from trainable.objective import autocast

    shape: dict[str, Any] = {"num_attention_heads": max(1, width // 32), "intermediate_size": 4 * width}
    model: Any = BertModel(BertConfig(hidden_size=width, num_hidden_layers=4, vocab_size=2000, **shape)).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    tokens, device = torch.randint(5, 2000, (16, 20)), torch.device("cpu")

    def step(bf16: bool) -> None:
        with autocast(device, bf16=bf16):
            states = model(input_ids=tokens).last_hidden_state
        states.float().square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    def score(bf16: bool) -> None:
        with torch.inference_mode(), autocast(device, bf16=bf16):
            model(input_ids=tokens)

    return step, score


def main() -> None:
    """Print a table of ratios."""
    import torch

    torch.set_num_threads(1)
    print("| hidden size | a step | scoring |\n|---:|---:|---:|")
    for width in WIDTHS:
        step, score = (ratio(run, max(2, 600 // width)) for run in runs(width))
        print(f"| {width} | {step:.2f} | {score:.2f} |", flush=True)


if __name__ == "__main__":
    main()
