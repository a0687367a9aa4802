"""What is read of lines that name places, sides and numbers in unusual ways, and in other languages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from pitprop.logs import Epochs, Follower

TIMM = """Train: {n} [   0/1251 (  0%)]  Loss: 6.9 (6.9)  Time: 0.399s, 640.12/s  (0.399s, 640.12/s)  LR: 1.000e-05
Test: [   0/48]  Time: 1.024 (1.024)  Loss:  0.9 (0.9)  Acc@1: 80.0 (80.0)  Acc@5: 90.0 ( 90.0)
Test: [  48/48]  Time: 0.100 (0.200)  Loss:  0.9 (0.8)  Acc@1: 60.0 (7{n}.0)  Acc@5: 91.0 ( 92.0)
"""
IMAGENET = """Epoch: [{n}][  0/5005]\tTime  9.1 ( 9.1)\tData  8.1 ( 8.1)\tLoss 6.9e+00 (6.9e+00)\tAcc@1   0.00 (  0.00)
Test: [ 0/196]\tTime 5 (5)\tLoss 6.1e+00 (6.1e+00)\tAcc@1   5.0 ( 5.0)\tAcc@5   9.0 (  9.0)
 *   Acc@1 6{n}.500 Acc@5 90.0
"""
MATLAB = """|  Epoch  |  Iteration  |  Time Elapsed  |  Mini-batch  |  Validation  |  Mini-batch  |  Validation  |  Base Learn.  |
|         |             |   (hh:mm:ss)   |   Accuracy   |   Accuracy   |     Loss     |     Loss     |      Rate       |
|=======================================================================================================================|
|       1 |          50 |       00:00:01 |       40.00% |       42.00% |       1.6000 |       1.7000 |          0.0100 |
|       2 |         100 |       00:00:02 |       50.00% |       62.00% |       1.5000 |       1.4000 |          0.0100 |
"""


def each(text: str) -> str:
    """``text`` for two epochs."""
    return "".join(text.format(n=n) for n in (1, 2))


PRINTED: dict[str, tuple[str, Mapping[str, float]]] = {
    "sides alone": (each("Epoch 00{n}: train=0.18 valid=0.2{n} best=0.21 ms=0.00MB\n"), {"train/loss": 0.18, "val/loss": 0.22}),
    "counts by class behind scores": (
        each("epoch {n}: train_loss=0.5 val_f1=0.{n} Prediction distribution: {{0: 9, 1: {n}}}\n"),
        {"train/loss": 0.5, "val/f1": 0.2, "val/predicted/0": 9, "val/predicted/1": 2},
    ),
    "sides of a score beside a loss": (
        each("Epoch: 00{n}, Loss: 1.9, Train: 0.8, Val: 0.7{n}, Test: 0.7\n"),
        {"train/loss": 1.9, "train/score": 0.8, "val/score": 0.72},
    ),
    "a bar that shows the validation before until its own is over": (
        each("Epoch {n}: 50%|█| 5/10 [00:10<00:10, val_loss=0.9]\rEpoch {n}: 100%|█| 10/10 [00:20<00:00, val_loss=0.{n}]\n"),
        {"val/loss": 0.2},
    ),
    "objects of json between lines": (
        each('tick {n} kimg 4.0 time 1m\n{{"results": {{"fid50k_full": 9.{n}}}, "snapshot_pkl": "snapshot-00{n}.pkl"}}\n'),
        {"val/fid50k_full": 9.2},
    ),
    "kaldi": (
        each("Average objective function for 'output' for minibatches {n}0-{n}9 is -1.{n} over 128 frames.\n"),
        {"train/objf": -1.2},
    ),
    "a tutorial of torch": (
        each("Epoch [{n}/9], Loss: 0.5\npod-1 Accuracy of the network on the 10000 test images: 7{n} %\n"),
        {"val/accuracy": 0.72},
    ),
    "bits per dimension": (each("Iter {n} | Bit/dim 3.{n}(3.5) | Steps 9\n"), {"train/bits_per_dim": 3.2}),
    "sides behind a word": (
        each("Epoch {n} loss: train=0.5 val=0.4 acc: train=0.8 val=0.7{n}\n"),
        {"train/loss": 0.5, "val/loss": 0.4, "train/accuracy": 0.8, "val/accuracy": 0.72},
    ),
    "pairs of accuracies": (
        each("Epoch {n}/9: 100%|█| 8/8 [1:24<00:00, 1.6 batches/s, Loss 6.2, Val Loss 4.{n}, Val Acc (0.5{n}, 2.70)]\n"),
        {"train/loss": 6.2, "val/loss": 4.2, "val/top1": 0.52, "val/top5": 2.7},
    ),
    "timm": (each(TIMM), {"train/loss": 6.9, "val/loss": 0.8, "val/top1": 72.0}),
    "torch's imagenet": (each(IMAGENET), {"train/loss": 6.9, "val/top1": 62.5}),
    "torchtune": (
        each(" {n}|3|Loss: 0.{n}:  30%|███       | 3/10 [00:03<00:07]\r {n}|4|Loss: 0.{n}:  40%|████ | 4/10 [00:04<00:06]\r"),
        {"train/loss": 0.2},
    ),
    "flax's examples": (each("Epoch... ({n}/9 | Loss: 0.{n})\n"), {"train/loss": 0.2}),
    "decimal commas": (
        each("Epoch {n}/9: loss 0,5 - val_loss: 0,{n} - val_acc = 0,75, lr 0,001\n"),
        {"val/loss": 0.2, "val/accuracy": 0.75},
    ),
    "decimal commas above 1": (each("epoch {n}: val_loss = 1,2{n}; val_ppl = 13,4\n"), {"val/loss": 1.22, "val/ppl": 13.4}),
    "what is not finite, on windows": (each("Epoch {n}: val_loss=1.#QNAN lr=0.{n}\n"), {"val/loss": math.nan, "lr": 0.2}),
    "what is infinite, on windows": (each("Epoch {n}: val_loss=-1.#INF00 lr=0.{n}\n"), {"val/loss": -math.inf}),
    "arrays of one": (each("epoch {n} val_loss: Array(0.{n}, dtype=float32)\n"), {"val/loss": 0.2}),
    "arrays of numpy": (each("epoch {n} val_loss: array(nan, dtype=float32)\n"), {"val/loss": math.nan}),
    "tensors of tensorflow": (
        each("epoch {n} val_loss: <tf.Tensor: shape=(), dtype=float32, numpy=0.{n}>\n"),
        {"val/loss": 0.2},
    ),
    "means with a deviation": (
        each("[{n}]\ttrain-mlogloss:0.57100+0.00200\ttest-mlogloss:0.5{n}00+0.00400\n"),
        {"val/mlogloss": 0.52},
    ),
    "means with a deviation, both ways": (each("Epoch {n} val_acc: 0.8{n}+/-0.02\n"), {"val/accuracy": 0.82}),
    "a place before its name": (each("Validation accuracy at epoch {n}: 0.8{n}\n"), {"val/accuracy": 0.82}),
    "a place before its number": (each("Accuracy after {n} epochs: 8{n}.5%\n"), {"val/accuracy": 0.825}),
    "a checkpoint that is saved": (
        each(
            "Epoch {n}, global step {n}00: 'val_wer' reached 0.5{n} (best 0.5), saving model to 'x-val_wer=0.9.ckpt' as top 3\n"
        ),
        {"val/wer": 0.52},
    ),
    "flair": (
        each("EPOCH {n} done: loss 0.5 - lr 0.1\n2024-01-01 00:00:02,000 DEV : loss 0.4 - score 0.8{n}\n"),
        {"train/loss": 0.5, "val/loss": 0.4, "val/score": 0.82},
    ),
    "an error in percent under a bare number": (
        each("00{n} lr=0.1 train_loss=0.5 valid_loss=0.4 valid_err=3{n}.5%\n"),
        {"train/loss": 0.5, "val/loss": 0.4, "val/err": 0.325},
    ),
    "sides and names in words": (
        each("Epoch {n} | train MSE 1.5 | val MSE 1.{n} | val R2 -0.5 \n"),
        {"train/mse": 1.5, "val/mse": 1.2, "val/r2": -0.5},
    ),
    "matlab": (MATLAB, {"train/accuracy": 0.5, "val/accuracy": 0.62, "train/loss": 1.5, "val/loss": 1.4}),
    "objective functions of k2": (
        each("epoch {n}, learning rate 0.1\nValidation average objf: -0.{n}5 over 181.0 frames\n"),
        {"val/average_objf": -0.25},
    ),
    "french": (
        each("Époque {n}/9 - perte : 0.5 - perte de validation : 0.{n} - exactitude (val) : 0.7\n"),
        {"train/loss": 0.5, "val/loss": 0.2, "val/accuracy": 0.7},
    ),
    "spanish": (
        each("Época {n}/9 | pérdida de entrenamiento: 0.5 | pérdida de validación: 0.{n} | exactitud de validación: 0.7\n"),
        {"train/loss": 0.5, "val/loss": 0.2, "val/accuracy": 0.7},
    ),
    "portuguese": (
        each("Época {n} de 9: perda=0.5 acurácia=0.6 val_perda=0.{n} val_acurácia=0.7\n"),
        {"train/loss": 0.5, "train/accuracy": 0.6, "val/loss": 0.2, "val/accuracy": 0.7},
    ),
    "italian": (
        each("Epoca {n}/9 - perdita: 0.5 - accuratezza: 0.6 - val_perdita: 0.{n} - val_accuratezza: 0.7\n"),
        {"train/loss": 0.5, "train/accuracy": 0.6, "val/loss": 0.2, "val/accuracy": 0.7},
    ),
    "turkish": (
        each("Epoch {n}/9 - eğitim kaybı: 0.5 - doğrulama kaybı: 0.{n} - doğrulama doğruluğu: 0.7\n"),
        {"train/loss": 0.5, "val/loss": 0.2, "val/accuracy": 0.7},
    ),
}


@pytest.mark.parametrize("kind", PRINTED)
def test_what_is_written_in_an_unusual_way_is_read_by_epoch(kind: str, tmp_path: Path) -> None:
    text, expected = PRINTED[kind]
    (path := tmp_path / "train.log").write_text(text)
    rows = (follower := Follower(path)).poll() + follower.end()
    joined = Epochs(next(iter(expected)) if not any(name.startswith("val/") for name in expected) else None)
    found = joined.add(rows) + joined.end()
    assert len(found) == 2
    assert found[-1].metrics == {
        **found[-1].metrics,
        **{name: pytest.approx(value, nan_ok=True) for name, value in expected.items()},
    }
    assert not {name for name in found[-1].metrics if "best" in name or "time" in name}
