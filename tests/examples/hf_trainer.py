"""After Hugging Face's examples of classification: arguments from flags, ``compute_metrics``, and an evaluation each epoch."""

import numpy as np
import pitprop
import torch
from digits import data, network
from transformers import HfArgumentParser, Trainer, TrainingArguments


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = network()

    def forward(self, x, labels=None):
        logits = self.layers(x)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def compute_metrics(predictions):
    return {"accuracy": float((np.argmax(predictions.predictions, axis=1) == predictions.label_ids).mean())}


if __name__ == "__main__":
    (arguments,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()
    train, val = ([{"x": x, "labels": y} for x, y in part] for part in data())
    callback = pitprop.adapters.huggingface.CollapseCallback(metric="accuracy", chance_score=0.1)
    trainer = Trainer(
        Model(), arguments, train_dataset=train, eval_dataset=val, compute_metrics=compute_metrics, callbacks=[callback]
    )
    trainer.train()
    print(round(trainer.state.epoch), callback.watch.verdict and callback.watch.verdict.reason)
