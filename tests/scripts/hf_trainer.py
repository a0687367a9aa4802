"""A small classifier under Hugging Face's Trainer, with the flags of TrainingArguments."""

import torch
from torch.nn.functional import cross_entropy
from transformers import HfArgumentParser, Trainer, TrainingArguments


class Classifier(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.layer(x)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


def main() -> None:
    (arguments,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()
    y = torch.arange(240) % 2
    x = torch.randn(len(y), 2, generator=torch.Generator().manual_seed(0)) + 2 * y[:, None]
    rows = [{"x": one, "labels": label} for one, label in zip(x, y, strict=True)]

    def metrics(found) -> dict[str, float]:
        return {"accuracy": float((found.predictions.argmax(1) == found.label_ids).mean())}

    trainer = Trainer(Classifier(), arguments, train_dataset=rows[:120], eval_dataset=rows[120:], compute_metrics=metrics)
    trainer.train(resume_from_checkpoint=arguments.resume_from_checkpoint)


if __name__ == "__main__":
    main()
