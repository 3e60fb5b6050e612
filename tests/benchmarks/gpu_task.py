"""The trials of the GPU benchmark: the papers' protocol with an encoder of RoBERTa-large's shape.

Its weights are random, since their values do not affect the cost of steps, rows and tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load

__all__ = ["SHAPES", "GpuTask"]

SHAPES: dict[str, dict[str, int]] = {
    "roberta-large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "vocab_size": 50_265,
    },
    "tiny": {  # to try the benchmark itself
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 50_265,
    },
}
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


@dataclass(frozen=True, slots=True)
class GpuTask:
    """A dataset and an encoder to measure with.

    folder: where the encoder is written.
    senteval: a folder with SentEval's MR, 10,662 sentences of film reviews.
    shape: one of `SHAPES`.
    """

    folder: Path
    senteval: Path
    shape: str

    @property
    def dataset(self) -> DatasetConfig:
        """The dataset of the sentences, of 24 tokens on average."""
        return DatasetConfig(name="mr", path=str(self.senteval.resolve()), senteval="MR")

    def write_encoder(self) -> None:
        """Write random weights, and a tokenizer trained on the dataset's own texts."""
        import torch
        from transformers import AutoModel, RobertaConfig

        self._write_tokenizer()
        shape: dict[str, Any] = dict(SHAPES[self.shape])
        config = RobertaConfig(
            **shape, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2
        )
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(self.folder)  # type: ignore[no-untyped-call]

    def _write_tokenizer(self) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
        from transformers import PreTrainedTokenizerFast

        tokenizer = Tokenizer(models.BPE(unk_token=_SPECIAL[-1]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(vocab_size=20_000, special_tokens=list(_SPECIAL), show_progress=False)
        tokenizer.train_from_iterator(load(self.dataset).pool.texts, trainer)
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), _SPECIAL, strict=True))
        PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=tokenizer,
            **names,
            model_max_length=512,
            model_input_names=["input_ids", "attention_mask"],
        ).save_pretrained(self.folder)

    def config(self, loss: str, **fields: Any) -> TrialConfig:
        """Return the configuration of one draw as the preset `paper` trains it."""
        protocol: dict[str, Any] = {
            "dataset": self.dataset,
            "shots": 20,
            "sampling": "random",
            "validation": 1000,
            "encoder": str(self.folder),
            "compatibility": "published",
            "embedding": "tokens",
            "loss": {"name": loss},
            "encoder_lr": 1e-5,
            "batch_size": 64,
            "schedule": "cosine",
            "warmup": 0.084,
            "steps": 120,
            "evaluations": 4,
            "replicates": 1,
        }
        return TrialConfig.model_validate(protocol | fields)
