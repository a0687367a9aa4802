"""What is read of logs of each kind, as their programs write them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pitprop.logs import Epochs, Follower, finished, formats
from pitprop.logs.sources import told_apart, trainings
from pitprop.telemetry import Epoch

TWO = [
    {"epoch": 1, "train_loss": 0.9, "val_loss": 1.0},
    {"epoch": 2, "train_loss": 0.8, "val_loss": 0.9},
]
LOSSES = [{"train/loss": 0.9, "val/loss": 1.0}, {"train/loss": 0.8, "val/loss": 0.9}]
TABLE = "epoch,train_loss,val_loss\n1,0.9,1.0\n2,0.8,0.9\n"
LINES = "Epoch 1 loss: 0.9 val_loss: 1.0\nEpoch 2 loss: 0.8 val_loss: 0.9\n"
BOX = """
---------------------------------
| rollout/           |          |
|    ep_len_mean     | 22       |
|    ep_rew_mean     | {reward} |
| time/              |          |
|    fps             | 900      |
|    total_timesteps | {steps}  |
| train/             |          |
|    policy_loss     | -0.013   |
---------------------------------
"""
SPINNING = """
---------------------------------------
|             Epoch |               {} |
|      AverageEpRet |            {} |
|              Time |            1.98 |
---------------------------------------
"""
YOLO_5 = """
     Epoch   gpu_mem       box       obj       cls     total   targets  img_size
      {n}/49     11.9G   0.0500   0.0400   0.0200   0.1100        13       448: 100% 16/16 [00:57<00:00,  1.18it/s]
               Class      Images        Targets            P               R         mAP@.5   mAP@.5:.95: 100% 3/3
                   all        314        328       0.603       0.861       0.5{n}0       0.3{n}0
"""
YOLO_8 = """
      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size
        {n}/3      2.3G      1.900      2.345      1.111         22        640:  50%|█████     | 4/8 [00:03<00:03]\r\
        {n}/3      2.3G      1.234      2.345      1.111         22        640: 100%|██████████| 8/8 [00:03<00:00]
               Class     Images  Instances     Box(P          R      mAP50  mAP50-95)     Mask(P          R      mAP50  mAP50-95)
                   all        128        929      0.641      0.537      0.6{n}2      0.446      0.5 0.4 0.3 0.2
                person        128        254      0.1        0.1        0.1        0.1      0.5 0.4 0.3 0.2
"""
NNUNET_2 = """2024-01-01 00:00:00.000000: Epoch {n}
2024-01-01 00:00:00.000000: Current learning rate: 0.01
2024-01-01 00:00:00.000000: train_loss 0.70
2024-01-01 00:00:00.000000: val_loss 0.60
2024-01-01 00:00:00.000000: Pseudo dice {dice}
2024-01-01 00:00:00.000000: Yayy! New best EMA pseudo Dice: 0.9
"""
NNUNET_1 = """epoch:  {n}
train loss : -0.1
validation loss: -0.2
Average global foreground Dice: [0.4, 0.6]
(interpret this as an estimate for the Dice of the different classes. This is not exact.)
lr: 0.01
"""
COCO = """Epoch: [{n}]  [ 99/100]  eta: 0:00:00  lr: 0.001  loss: 1.2 (1.3)  time: 0.5 data: 0.1 max mem: 3000
 Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.20{n}
 Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.40{n}
 Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.101
 Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.301
"""
TUTORIAL = """Epoch {n}
-------------------------------
loss: 2.3  [   64/60000]
loss: 2.1  [ 6464/60000]
Test Error:
 Accuracy: 50.9%, Avg loss: 2.15

"""
FAIRSEQ = """2024 | INFO | train_inner | epoch 00{n}:   1000 / 1102 loss=7.2, nll_loss=6.1, ppl=68, num_updates={u}000, lr=4e-4
2024 | INFO | valid | epoch 00{n} | valid on 'valid' subset | loss 7.3 | nll_loss 6.2 | ppl 73.5 | bleu 2.5 | num_updates {u}102
2024 | INFO | train | epoch 00{n} | loss 7.4 | nll_loss 6.3 | ppl 78.8 | num_updates {u}102 | lr 0.0004 | gnorm 1.2
"""
FAIRSEQ_JSON = """2024 | INFO | train_inner | {{"epoch": {n}, "update": 0.9, "loss": "7.2", "num_updates": "{n}00", "lr": "4e-4"}}
2024 | INFO | valid | {{"epoch": {n}, "valid_loss": "7.3", "valid_bleu": "2.{n}", "valid_num_updates": "{n}02"}}
2024 | INFO | train | {{"epoch": {n}, "train_loss": "7.4", "train_num_updates": "{n}02", "train_lr": "0.0004"}}
"""
CAFFE = """I0101 00:00:00.0 1860 solver.cpp:330] Iteration {n}, Testing net (#0)
I0101 00:00:00.0 1860 solver.cpp:397]     Test net output #0: accuracy = 0.{n}
I0101 00:00:00.0 1860 solver.cpp:228] Iteration {n}, loss = 5.9
I0101 00:00:00.0 1860 solver.cpp:244]     Train net output #0: accuracy_top5 = 0.15
I0101 00:00:00.0 1860 sgd_solver.cpp:106] Iteration {n}, lr = 0.065
"""
SCORES = "Epoch {n}[16/5011]: loss:0.3, lr:0.01, batch time:0.28\nTest on Epoch {n}\nmAP: 0.4{n}\nppl: 5.0\n"
SCORES += "Dev Bleu Score: BLEU = 2.5 41.8/16.6/5.9/2.4 (BP = 0.760)\n"
MNIST = "Train Epoch: {n} [640/60000 (1%)]\tLoss: 1.0\n\nTest set: Average loss: 0.05, Accuracy: 9{n}00/10000 (9{n}%)\n\n"
BARRED = """     Epoch   gpu_mem       box       obj       cls     total    labels  img_size
      {n}/49     11.9G   0.0500   0.0400   0.0200   0.1100        13       448:  50%|█████     | 8/16 [00:57<00:57,  1.18it/s]\r\
      {n}/49     11.9G   0.0500   0.0400   0.0200   0.1{n}00        13       448: 100%|██████████| 16/16 [00:57<00:00,  1.18it/s]
               Class      Images      Labels           P           R      mAP@.5  mAP@.5:.95: 100%|█| 4/4 [00:01<00:00,  2.45it/s]
                 all         128         929       0.61        0.53       0.59        0.3{n}
"""
RESULTS = "     {n}/49     11.9G   0.05   0.04   0.02   0.1{n}   13   448   0.6   0.5   0.59   0.3{n}   0.07   0.03   0.01\n"
SPACY = """E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  ENTS_P  ENTS_R  SCORE
---  ------  ------------  --------  ------  ------  ------  ------
  0       0          0.00     56.50    0.00    0.00    0.00    0.00
  1     200        120.10   2500.30   60.11   62.20   58.10    0.60
  2     400        140.10   1500.30   70.11   72.20   68.10    0.70
✔ Saved pipeline to output directory
"""
SPACY_CATS = """E    #       LOSS TEXTCAT  CATS_SCORE  SCORE
---  ------  ------------  ----------  ------
  0       0          0.25       33.00    0.33
  0     200         20.10       60.11    0.60
  0     400         10.10       70.11    0.70
"""
SPACY_PARSER = """E    #       LOSS TRANSFORMER  LOSS TAGGER  LOSS PARSER  TAG_ACC  DEP_UAS  DEP_LAS  SENTS_F  SPEED   SCORE
---  ------  ----------------  -----------  -----------  -------  -------  -------  -------  ------  ------
  3     200            120.10        90.20       200.40    80.10    70.20    60.30    90.40  5000.1    0.60
  7     400            110.10        80.20       100.40    90.10    80.20    70.30    95.40  5000.1    0.70
"""
SPACY_2 = """Itn  NER Loss   NER P   NER R   NER F   Token %  CPU WPS
---  ---------  ------  ------  ------  -------  -------
  1   2500.300  62.200  58.100  60.110  100.000    12345
  2   1500.300  72.200  68.100  70.110  100.000    12345
"""
LIGHTGBM = "[{n}]\tvalid_0's binary_logloss: 0.5{n}\tvalid_0's auc: 0.6{n}\n"
CATBOOST = "{n}:\tlearn: 0.6{n}\ttest: 0.7{n}\tbest: 0.685 (0)\ttotal: 60ms\tremaining: 5.9s\n"
CYCLEGAN = "(epoch: {n}, iters: 100, time: 0.351, data: 0.057) G_GAN: 0.9 G_L1: 15.2 D_real: 0.54 D_fake: 0.43 \n"
DCGAN = "[{n}/5][0/1583]\tLoss_D: 1.7\tLoss_G: 3.1\tD(x): 0.4\tD(G(z)): 0.3 / 0.04\n"
CUT = "[train] epoch:{n} iter:0/18 0.00% lr:0.001000 loss:1.3 ETA:0.0min\n[val] epoch:{n} miou:0.5{n}\n"
GROUPS = "Mean F1 (event): 0.1{n}\nMean F1 (element): 0.2\nEdit score: 0.3\n"
SIDES = "Epoch {n} | Train | loss: 0.5 acc: 0.6 | Val | loss: 0.7 acc: 0.8\n"
DETECTRON = """[10/21 10:00:00 d2.utils.events]:  eta: 0:10:00  iter: {n}9  total_loss: 1.95  loss_cls: 0.7  time: 0.9  lr: 0.25
[10/21 10:00:00 d2.evaluation.testing]: copypaste: Task: bbox
[10/21 10:00:00 d2.evaluation.testing]: copypaste: AP,AP50,AP75
[10/21 10:00:00 d2.evaluation.testing]: copypaste: 4.5{n},8.5,4.1
"""
LLMC = "s:{n}0 tel:5.{n}\ns:{n}0 eval:0.3\ns:{n}0 trl:5.0 lr:0.1\n"
DARKNET = """v3 (mse loss, Normalizer: (iou: 0.75) Region 82 Avg (IOU: 0.3), count: 4, class_loss = 9, total_loss = 9
 {n}: 5.5, 4.{n} avg loss, 0.1 rate, 5.2 seconds, 64 images
"""
ESTIMATOR = """INFO:tensorflow:loss = 2.0, step = {n}00 (0.5 sec)
INFO:tensorflow:Saving dict for global step {n}00: accuracy = 0.{n}, global_step = {n}00, loss = 1.5
"""
SEGMENTATION = """Epoch: {n}
train: 100%|██████████| 9/9 [00:20<00:00, 2.3it/s, dice_loss - 0.5]
valid: 100%|██████████| 2/2 [00:01<00:00, 2.0it/s, iou_score - 0.{n}]
"""
STRINGS = "{{'eval_loss': '0.{n}', 'eval_accuracy': '0.80', 'eval_runtime': '0.1', 'epoch': '{n}'}}\n"


def each(text: str, *numbers: int, **more: str) -> str:
    """``text`` for each of ``numbers``."""
    return "".join(text.format(n=n, u=n - 1, **more) for n in numbers or (1, 2))


PRINTED: dict[str, tuple[str, Mapping[str, float]]] = {
    "yolo 5": (each(YOLO_5, 0, 1), {"train/box_loss": 0.05, "train/loss": 0.11, "val/recall": 0.861, "val/map50_95": 0.31}),
    "yolo 8": (each(YOLO_8), {"train/box_loss": 1.234, "val/map50": 0.622, "val/precision": 0.641, "val/mask_map50": 0.3}),
    "fastai": ("epoch  train_loss  valid_loss  acc  time\n0 .5 .4 .7 00:1\n1  0.4  0.3  0.8  00:10\n", {"val/accuracy": 0.8}),
    "skorch": (
        "  epoch    train_loss    valid_acc    valid_loss     dur\n-------  --------  -----  -----  -----\n"
        "      1        \x1b[36m0.68\x1b[0m       0.55        0.67  0.01\n      2        0.67       0.57        0.66  0.01\n",
        {"train/loss": 0.67, "val/accuracy": 0.57, "val/loss": 0.66},
    ),
    "rich": ("┃ Epoch ┃ Train Loss ┃ Val Loss ┃\n│ 1 │ 0.5 │ 0.6 │\n│ 2 │ 0.4 │ 0.5 │\n└───┴───┘\n", {"val/loss": 0.5}),
    "spinning up": (SPINNING.format(0, 22.1) + SPINNING.format(1, 32.1), {"train/average_ep_ret": 32.1}),
    "nnu-net 2": (each(NNUNET_2, dice="[0.5, 0.7]"), {"train/loss": 0.7, "val/loss": 0.6, "val/dice": 0.6, "lr": 0.01}),
    "nnu-net 2 of numpy 2": (each(NNUNET_2, dice="[np.float32(0.5), np.float32(0.7), nan]"), {"val/dice": 0.6}),
    "nnu-net 1": (each(NNUNET_1, 0, 1), {"train/loss": -0.1, "val/loss": -0.2, "val/dice": 0.5, "lr": 0.01}),
    "coco": (each(COCO), {"train/loss": 1.2, "val/map50_95": 0.202, "val/map50": 0.402}),
    "torch's tutorial": (each(TUTORIAL), {"train/loss": 2.2, "val/accuracy": 0.509, "val/loss": 2.15}),
    "torch's mnist": (each(MNIST), {"train/loss": 1.0, "val/loss": 0.05, "val/accuracy": 0.92}),
    "fairseq": (each(FAIRSEQ), {"train/loss": 7.4, "val/loss": 7.3, "val/ppl": 73.5, "val/bleu": 2.5, "grad_norm": 1.2}),
    "fairseq's json": (each(FAIRSEQ_JSON), {"lr": 0.0004, "val/loss": 7.3, "val/bleu": 2.2}),
    "caffe": (each(CAFFE), {"train/loss": 5.9, "train/top5": 0.15, "val/accuracy": 0.2, "lr": 0.065}),
    "scores alone": (each(SCORES), {"train/loss": 0.3, "val/map": 0.42, "val/ppl": 5.0, "val/bleu": 2.5}),
    "groups of scores": (each("[Epoch {n}] Train loss: 0.7\n" + GROUPS), {"val/mean_f1_event": 0.12, "val/edit_score": 0.3}),
    "lightgbm": (each(LIGHTGBM), {"val/binary_logloss": 0.52, "val/auc": 0.62}),
    "lightgbm's regression": (each("[{n}]\ttraining's l2: 0.5\tvalid_0's l2: 0.6\n"), {"train/l2": 0.5, "val/l2": 0.6}),
    "xgboost": (each("[{n}]\ttrain-logloss:0.57\teval-logloss:0.5{n}0\n", 0, 1), {"train/logloss": 0.57, "val/logloss": 0.51}),
    "catboost": (each(CATBOOST, 0, 1), {"train/loss": 0.61, "val/loss": 0.71}),
    "cyclegan": (each(CYCLEGAN), {"train/g_gan": 0.9, "train/g_l1": 15.2, "train/d_real": 0.54, "train/d_fake": 0.43}),
    "dcgan": (each(DCGAN, 0, 1), {"train/loss_d": 1.7, "train/loss_g": 3.1}),
    "joined by colons": (each(CUT), {"train/loss": 1.3, "lr": 0.001, "val/miou": 0.52}),
    "detectron2": (each(DETECTRON), {"train/loss": 1.95, "val/bbox_ap": 4.52}),
    "chinese": (
        each("Epoch [{n}/30], 训练损失: 1.2, 验证损失: 1.4, 验证准确率: 0.3{n}, 学习率: 0.001\n"),
        {"train/loss": 1.2, "val/loss": 1.4, "val/accuracy": 0.32, "lr": 0.001},
    ),
    "chinese rounds": (each("第{n}轮 训练损失: 0.9 验证损失: 0.8 验证准确率: 0.7{n}\n"), {"val/accuracy": 0.72}),
    "chinese signs": (each("轮次 {n}/10：训练集损失=0.9，测试集准确率=7{n}.5%，耗时 12.5s\n"), {"val/accuracy": 0.725}),
    "japanese": (each("エポック {n}/5 学習率: 0.001 訓練損失: 0.5 検証精度: 0.8{n}\n"), {"lr": 0.001, "val/accuracy": 0.82}),
    "best in brackets": (each("Epoch {n}: val_loss 0.{n} (best val_loss 0.1)\n"), {"val/loss": 0.2}),
    "best by name": (each("Epoch {n}: val_acc=0.8{n} best_val_acc=0.9\n"), {"val/accuracy": 0.82}),
    "best in words": (each("Epoch {n} | val acc: 8{n}.1% [best: 85.0% @ epoch 7]\n"), {"val/accuracy": 0.821}),
    "thousands": (each("Epoch {n}: val_loss: 1,23{n}.5\n"), {"val/loss": 1232.5}),
    "thousands without decimals": (each("Epoch {n}: val_loss: 12,345,67{n} lr: 0.1\n"), {"val/loss": 12345672, "lr": 0.1}),
    "times of python's logging": (each("2026-11-26 19:15:05,26{n} - Epoch {n} - val_loss: 0.{n}\n"), {"val/loss": 0.2}),
    "percent": (each("Epoch {n} val_acc: 0.9{n}%\n"), {"val/accuracy": 0.0092}),
    "shares": (each("Epoch: {n} Loss: 0.5 Acc: 45{n}/500\n"), {"train/loss": 0.5, "train/accuracy": 0.904}),
    "strings": (each(STRINGS), {"val/loss": 0.2, "val/accuracy": 0.8}),
    "tensors": (each("{{'train_loss': tensor(0.{n}, device='cuda:0'), 'epoch': {n}}}\n"), {"train/loss": 0.2}),
    "accelerate": (each("INFO - main - epoch {n}: {{'accuracy': 0.8{n}, 'f1': 0.7}}\n"), {"val/accuracy": 0.82, "val/f1": 0.7}),
    "sides by place": (each(SIDES), {"train/loss": 0.5, "train/accuracy": 0.6, "val/loss": 0.7, "val/accuracy": 0.8}),
    "headings": (
        each("Epoch {n} of 10\nTraining...\nloss: 0.5 acc: 0.6\nValidating...\nloss: 0.7 acc: 0.8\n"),
        {"train/loss": 0.5, "train/accuracy": 0.6, "val/loss": 0.7, "val/accuracy": 0.8},
    ),
    "steps under a heading": (
        each("EPOCH {n}:\n  batch 1000 loss: 1.7\n  batch 2000 loss: 0.9\nLOSS train 0.9 valid 0.5{n}\n"),
        {"val/loss": 0.52},
    ),
    "bars": (
        each(
            "train: 100%|███| 64/64 [01:23<00:00, 76.4it/s]\neval: 0%|   | 0/34 [00:00<?]Epoch {n} elapsed: 84.2s\n"
            "train_loss: 0.001\neval rmse: 0.03{n}\neval r2: 0.02\n====\n"
        ),
        {"train/loss": 0.001, "val/rmse": 0.032, "val/r2": 0.02},
    ),
    "keras's two bars": (
        each(
            "Epoch {n}/9\n13/13 [=====] - 3s 262ms/step - loss: 0.9 - acc: 1.0\n"
            " - 17s - loss: 0.25 - acc: 0.89 - val_loss: 0.3 - val_acc: 0.{n}\n"
        ),
        {"train/loss": 0.25, "train/accuracy": 0.89, "val/loss": 0.3, "val/accuracy": 0.2},
    ),
    "awd-lstm": (
        each(
            "| epoch   {n} |   200/ 2983 batches | lr 20.00 | ms/batch  3.14 | loss  7.63 | ppl  2057.12\n"
            "| end of epoch   {n} | time: 50.00s | valid loss  6.1{n} | valid ppl   450.00\n"
        ),
        {"lr": 20.0, "train/loss": 7.63, "val/loss": 6.12, "val/ppl": 450.0},
    ),
    "sides behind": (
        each("--- Epoch {n} ---\nLoss (train) = 0.5\nLoss (val) = 0.4{n}\nAccuracy (val): 0.8\n"),
        {"train/loss": 0.5, "val/loss": 0.42, "val/accuracy": 0.8},
    ),
    "the best of all": (
        each("第 {n}/20 轮\n  训练损失: 0.5\n  验证准确率: 8{n}.2%\n  *** 新的最佳验证准确率: 85.20% (优于之前的 80.00%) ***\n"),
        {"train/loss": 0.5, "val/accuracy": 0.822},
    ),
    "llm.c's main.log": (each(LLMC), {"val/loss": 5.2, "val/hellaswag_acc": 0.3, "train/loss": 5.0}),
    "darknet's parts": (each(DARKNET), {"train/loss": 4.2, "lr": 0.1}),
    "xgboost of sagemaker": (each("[2020-01-01:10:33:05:INFO] [{n}]#011train-rmse:0.3#011eval-rmse:0.4\n"), {"val/rmse": 0.4}),
    "tf's estimator": (each(ESTIMATOR), {"train/loss": 2.0, "val/accuracy": 0.2, "val/loss": 1.5}),
    "paddle": (each("epoch: [{n}/9], acc: 0.5, loss: 2\ncur metric, acc: 0.{n}\nbest metric, acc: 0.9\n"), {"val/accuracy": 0.2}),
    "marian": (each("Ep. 1 : Up. {n}00 : Cost 7.{n}\n[valid] Ep. 1 : Up. {n}00 : bleu : 1{n}.5\n"), {"val/bleu": 12.5}),
    "segmentation models": (each(SEGMENTATION), {"train/dice_loss": 0.5, "val/iou_score": 0.2}),
    "a number in a list": (each("global_step={n}00, loss=[{n}.5]\n"), {"train/loss": 2.5}),
    "a set of a side": (each("Epoch {n} loss: 0.5\nValidation set loss: 0.{n}\n"), {"train/loss": 0.5, "val/loss": 0.2}),
    "spacy": (SPACY, {"train/loss_ner": 1500.3, "val/ents_f1": 70.11, "val/ents_recall": 68.1, "val/score": 0.7}),
    "spacy's text categories": (SPACY_CATS, {"train/loss_textcat": 10.1, "val/cats_score": 70.11, "val/score": 0.7}),
    "spacy's parser": (SPACY_PARSER, {"train/loss_parser": 100.4, "val/dep_las": 70.3, "val/sents_f1": 95.4}),
    "spacy 2": (SPACY_2, {"train/ner_loss": 1500.3, "val/ner_f1": 70.11, "val/ner_precision": 72.2}),
    "yolov7": (each(BARRED), {"train/loss": 0.12, "train/box_loss": 0.05, "val/map50": 0.59, "val/map50_95": 0.32}),
    "yolov7's results": (each(RESULTS), {"train/loss": 0.12, "val/map50_95": 0.32, "val/box_loss": 0.07, "val/recall": 0.5}),
    "a number in brackets": (each("[{n}000] val_reward=1{n}.5\n"), {"val/reward": 12.5}),
    "a number in brackets and a colon": (each("[ {n}00 ]: val_loss: 0.{n}, lr: 0.1\n"), {"val/loss": 0.2, "lr": 0.1}),
    "a rank in brackets": (each("[3] train_loss: 0.5\n[3] val_loss: 0.{n}\n"), {"train/loss": 0.5, "val/loss": 0.2}),
    "two sides at a number": (each("[{n}00] train_loss=0.5\n[{n}00] val_loss=0.{n}\n"), {"train/loss": 0.5, "val/loss": 0.2}),
    "an error of a test": (each("Epoch {n}: test error 7{n}.5%\n"), {"val/error": 0.725}),
    "an error rate": (each("epoch {n} validation error rate 0.7{n}\n"), {"val/error_rate": 0.72}),
    "mean average precision": (each("epoch {n} metrics/mAP50-95 0.0{n}\n"), {"val/map50_95": 0.02}),
    "german": (
        each("Epoche {n}/9: Verlust 0.5, Genauigkeit 0.6, Val-Verlust 0.{n}, Val-Genauigkeit 0.7\n"),
        {"train/loss": 0.5, "train/accuracy": 0.6, "val/loss": 0.2, "val/accuracy": 0.7},
    ),
    "german compounds": (
        each("Epoche: {n} Trainingsverlust: 0.5 Validierungsverlust: 0.{n} Testgenauigkeit: 0.8 Lernrate: 0.1\n"),
        {"train/loss": 0.5, "val/loss": 0.2, "val/accuracy": 0.8, "lr": 0.1},
    ),
    "german lines": (
        each("Epoche {n}\nTraining: Verlust=0.5\nValidierung: Verlust=0.{n} Präzision=0.4\n"),
        {"train/loss": 0.5, "val/loss": 0.2, "val/precision": 0.4},
    ),
    "russian": (
        each("Эпоха {n}/9: потери 0.5, точность 0.6, вал. потери 0.{n}, вал. точность 0.7\n"),
        {"train/loss": 0.5, "train/accuracy": 0.6, "val/loss": 0.2, "val/accuracy": 0.7},
    ),
    "russian sides": (
        each("эпоха №{n} обучение: потери=0.5\nэпоха №{n} валидация: потери=0.{n} полнота=0.4\n"),
        {"train/loss": 0.5, "val/loss": 0.2, "val/recall": 0.4},
    ),
    "russian sentences": (
        each("Эпоха: {n} | Потери на обучении: 0.5 | Потери на валидации: 0.{n} | Точность на валидации: 0.8\n"),
        {"train/loss": 0.5, "val/loss": 0.2, "val/accuracy": 0.8},
    ),
    "a validation above its training": (
        each("Epoch(val) [{n}][10/10] acc: 0.{n}\nEpoch(train) [{n}][50/100] loss: 0.6\nEpoch(train) [{n}][100/100] loss: 0.4\n"),
        {"train/loss": 0.5, "val/accuracy": 0.2},
    ),
    "a validation above its training, by step": (
        each("step {n}00: val loss 0.{n}\nstep {n}00: train loss 0.5\n"),
        {"train/loss": 0.5, "val/loss": 0.2},
    ),
    "a validation above its training, without steps": (
        each("epoch {n} valid | loss 0.{n}\nepoch {n} train | loss 0.5\n"),
        {"train/loss": 0.5, "val/loss": 0.2},
    ),
    "nemo": (
        each("[NeMo I 2024-05-03 10:11:12 wer:318] text :a\nEpoch {n}, global step {n}00: 'val_wer' reached 0.5{n} (best 0.1)\n"),
        {"val/wer": 0.52},
    ),
    "flax's masked words": (
        each("Step... ({n}00 | Loss: 2.0, Learning Rate: 0.1)\nStep... ({n}00 | Loss: 2.5, Acc: 0.{n})\n"),
        {"train/loss": 2.0, "val/loss": 2.5, "val/accuracy": 0.2},
    ),
    "wenet": (
        each(
            "DEBUG TRAIN Batch {n}/100 loss 9.0 lr 0.1 rank 0\nDEBUG CV Batch {n}/0 loss 4.0 history loss 5.0 rank 0\n"
            "DEBUG CV Batch {n}/100 loss 4.0 history loss 6.{n} rank 0\n"
        ),
        {"train/loss": 9.0, "val/loss": 6.2},
    ),
    "flair": (
        each("EPOCH {n} done: loss 0.5 - lr 0.02\nDEV : loss 0.07 - f1-score (micro avg)  0.8{n}\n"),
        {"train/loss": 0.5, "val/loss": 0.07, "val/micro_f1": 0.82},
    ),
    "allennlp": (
        each(
            "trainer - Epoch {n}/9\nconsole_logger -            Training |  Validation\n"
            "console_logger - accuracy  |     0.7  |     0.8{n}\nconsole_logger - gpu_0_MB  |     7.1  |       N/A\n"
        ),
        {"train/accuracy": 0.7, "val/accuracy": 0.82},
    ),
    "stable-baselines3's evaluation": (
        each("Eval num_timesteps={n}000, episode_reward=2{n}.00 +/- 12.31\nEpisode length: 22.00 +/- 12.31\n"),
        {"val/episode_reward": 22.0},
    ),
    "a container's log": (
        each('{{"log":"Epoch {n} loss: 0.5 val_loss: 0.{n}\\n","stream":"stdout","time":"2024-05-03T10:11:12.1Z"}}\n'),
        {"train/loss": 0.5, "val/loss": 0.2},
    ),
    "a logger of json": (
        each('{{"created": 17.{n}, "level": "INFO", "message": "Epoch {n} loss: 0.5 val_loss: 0.{n}"}}\n'),
        {"train/loss": 0.5, "val/loss": 0.2},
    ),
    "hugging face's last line": (
        each("{{'eval_loss': 0.{n}, 'epoch': {n}.0}}\n") + "{'train_runtime': 12.1, 'train_loss': 3.2, 'epoch': 2.0}\n",
        {"val/loss": 0.2},
    ),
    "chinese units": (
        each("[{n}/20轮] 平均训练损失 0.5，验证损失 0.6，验证集准确率 4{n}.0%，用时 12.1秒\n"),
        {"train/loss": 0.5, "val/loss": 0.6, "val/accuracy": 0.42},
    ),
    "chinese sentences": (
        each("第{n}个epoch的训练loss为：0.5，测试准确率为：0.8{n}\n"),
        {"train/loss": 0.5, "val/accuracy": 0.82},
    ),
    "russian errors": (
        each("Эпоха [{n}/20] Ошибка на обучении: 0.5, Ошибка на валидации: 0.6, F1-мера: 0.7{n}\n"),
        {"train/error": 0.5, "val/error": 0.6, "val/f1": 0.72},
    ),
    "places without words": (each("[{n}/500] train_loss: 0.9 val_loss: 0.{n}\n"), {"train/loss": 0.9, "val/loss": 0.2}),
}  # fmt: skip

FILES: dict[str, tuple[str, str, list[Mapping[str, float]]]] = {
    "keras.json": ("json", json.dumps({"loss": [0.9, 0.8], "val_loss": [1.0, 0.9]}), LOSSES),
    "lines.json": ("json", json.dumps({"history": {"loss": [0.9, 0.8], "val_loss": [1.0, 0.9]}, "best": 2}, indent=2), LOSSES),
    "steps.json": ("json", json.dumps({"train_loss": [1.0, 0.8, 0.9, 0.7], "val": {"loss": [1.0, 0.9]}}), LOSSES),
    "epochs.json": ("json", json.dumps(TWO), LOSSES),
    "spread.json": ("json", json.dumps(TWO, indent=4), LOSSES),
    "sides.json": ("json", json.dumps([{"epoch": 1, "train": 0.9, "val": 1.0}, {"epoch": 2, "train": 0.8, "val": 0.9}]), LOSSES),
    "unnumbered.json": ("json", json.dumps([{"loss": 0.9, "val_loss": 1.0}, {"loss": 0.8, "val_loss": 0.9}]), LOSSES),
    "numbered.json": ("json", json.dumps({"epoch_1": TWO[0], "epoch_2": TWO[1]}, indent=1), LOSSES),
    "pandas.json": ("json", json.dumps({"loss": {"0": 0.9, "1": 0.8}, "val_loss": {"0": 1.0, "1": 0.9}}), LOSSES),
    "results.json": ("scores", json.dumps({"metrics": {"test": {"loss": 0.3}}, "cfg": {"lr": 1}}, indent=4), [{"val/loss": 0.3}]),
    "strings.jsonl": (
        "jsonl",
        "".join(json.dumps({f"{side}_loss": str(row[f"{name}_loss"]), "epoch": n}) + "\n" for n, row in enumerate(TWO, 1)
                for side, name in (("train", "train"), ("valid", "val"))),
        LOSSES,
    ),
    "metrics.json": (
        "jsonl",
        '{"data_time": 0.01, "eta_seconds": 49, "iteration": 19, "loss_cls": 0.6, "lr": 0.1, "total_loss": 0.9, "time": 0.9}\n'
        '{"bbox/AP": 4.5, "bbox/AP50": 8.5, "iteration": 19}\n'
        '{"data_time": 0.01, "eta_seconds": 48, "iteration": 39, "loss_cls": 0.5, "lr": 0.1, "total_loss": 0.8, "time": 0.9}\n'
        '{"bbox/AP": 5.5, "bbox/AP50": 9.5, "iteration": 39}\n',
        [{"train/loss": 0.9, "train/loss_cls": 0.6, "lr": 0.1, "val/bbox_ap": 4.5, "val/bbox_ap50": 8.5},
         {"train/loss": 0.8, "train/loss_cls": 0.5, "lr": 0.1, "val/bbox_ap": 5.5, "val/bbox_ap50": 9.5}],
    ),
    "joint.json": (
        "jsonl",
        '{"bbox/AP": 4.5, "iteration": 19, "lr": 0.1, "total_loss": 0.9, "time": 0.9}\n'
        '{"iteration": 39, "lr": 0.1, "total_loss": 0.8, "time": 0.9}\n'
        '{"bbox/AP": 5.5, "iteration": 59, "lr": 0.1, "total_loss": 0.6, "time": 0.9}\n',
        [{"train/loss": 0.9, "lr": 0.1, "val/bbox_ap": 4.5}, {"train/loss": 0.7, "lr": 0.1, "val/bbox_ap": 5.5}],
    ),
    "index.csv": ("csv", ",loss,val_loss\n0,0.9,1.0\n1,0.8,0.9\n", LOSSES),
    "plain.csv": ("csv", "loss,val_loss\n0.9,1.0\n0.8,0.9\n", LOSSES),
    "mark.csv": ("csv", "\ufeff" + TABLE, LOSSES),
    "decimal.csv": ("csv", TABLE.replace(",", ";").replace(".", ","), LOSSES),
    "tabs.txt": ("csv", "LR\tTrain Loss\tValid Loss\t\n.1\t0.9\t1.0\t\n.1\t0.8\t0.9\t\n", [{"lr": 0.1} | row for row in LOSSES]),
    "batches.csv": (
        "csv",
        "Epoch,Batch,Gen Loss,Disc Loss\n0,0,0.7,1.4\n0,1,0.9,1.2\n1,0,0.5,1.0\n",
        [{"train/gen_loss": 0.8, "train/disc_loss": 1.3}, {"train/gen_loss": 0.5, "train/disc_loss": 1.0}],
    ),
    "results.csv": (
        "csv",
        "epoch,   train/box_om,  metrics/mAP50(B), metrics/mAP50-95(B), val/box_om, lr/pg0\n1,2.2,0.2,0.1,2.3,0.1\n",
        [{"train/box_om_loss": 2.2, "val/map50": 0.2, "val/map50_95": 0.1, "val/box_om_loss": 2.3, "lr": 0.1}],
    ),
    "fastai.csv": ("csv", "epoch,train_loss,valid_loss,accuracy\n1,0.9,1.0,0.5\n", [{**LOSSES[0], "val/accuracy": 0.5}]),
}  # fmt: skip


def written(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def read(path: Path, **names: str) -> list[Epoch]:
    return finished.read([path], None, None, (), names).epochs


@pytest.mark.parametrize("kind", PRINTED)
def test_what_a_program_prints_is_read_by_epoch(kind: str, tmp_path: Path) -> None:
    text, expected = PRINTED[kind]
    rows = (follower := Follower(written(tmp_path, "train.txt", text))).poll() + follower.end()
    assert follower.path is not None
    assert formats.recognise(follower.path) == "text"
    joined = Epochs("train/loss" if not any(name.startswith("val/") for name in expected) else None)
    found = joined.add(rows) + joined.end()
    assert len(found) == 2
    assert found[-1].metrics == {**found[-1].metrics, **{name: pytest.approx(value) for name, value in expected.items()}}
    assert not {name for name in found[-1].metrics if "best" in name or "time" in name or "iters" in name or "cpp" in name}


@pytest.mark.parametrize("name", FILES)
def test_what_a_program_writes_is_read_by_epoch(name: str, tmp_path: Path) -> None:
    format, text, expected = FILES[name]
    path = written(tmp_path, name, text)
    assert formats.recognise(path) == format
    found = read(path) or finished.read([path], "train/gen_loss", None, (), {}).epochs
    assert [dict(epoch.metrics) for epoch in found] == [pytest.approx(one) for one in expected]
    assert [epoch.step for epoch in found] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv.gz", gzip.compress(TABLE.encode())),
        ("a.log.bz2", bz2.compress(LINES.encode())),
        ("a.json.xz", lzma.compress(json.dumps(TWO).encode())),
        ("two.log.gz", gzip.compress(LINES[:32].encode()) + gzip.compress(LINES[32:].encode())),
        ("wide.csv", TABLE.encode("utf-16")),
        ("wide.log", LINES.encode("utf-16-be")),
        ("windows.log", LINES.replace("\n", "\r\n").encode("utf-16")),
        ("mark.json", b"\xef\xbb\xbf" + json.dumps(TWO).encode()),
        ("chinese.log", LINES.replace("loss", "损失", 1).replace("Epoch 1", "第 1 轮").encode("gb18030")),
    ],
    ids=lambda given: given if isinstance(given, str) else "",  # gzip writes the time into its data
)
def test_logs_may_be_packed_and_encoded(name: str, data: bytes, tmp_path: Path) -> None:
    assert [dict(epoch.metrics) for epoch in read(written(tmp_path, name, data))] == LOSSES


def test_a_packed_log_that_is_torn_gives_what_comes_before(tmp_path: Path) -> None:
    whole = "".join(f"Epoch {n} val_loss: {n}.5\n" for n in range(1, 5000))
    torn = gzip.compress(whole.encode())
    found = read(written(tmp_path, "a.log.gz", torn[: len(torn) // 2]))
    assert 100 < len(found) < 5000
    assert found[99].metrics == {"val/loss": 100.5}


RESULT = """Result for {trial}:
  date: 2021-05-03_10-11-12
  info:
    learner:
      stats:
        entropy: 0.6
        total_loss: 8.5
  {score}
  pid: 123
  time_total_s: 1.1
  training_iteration: {n}
  trial_id: 1_00000

== Status ==
"""


def test_results_that_ray_tune_prints_are_read_by_trial(tmp_path: Path) -> None:
    text = "".join(RESULT.format(trial=f"train_{t}", score=f"mean_accuracy: 0.{n}{t}", n=n) for n in (1, 2) for t in (5, 6))
    path = written(tmp_path, "tune.log", text)
    assert formats.recognise(path) == "tune"
    found = trainings(path)
    assert list(found) == ["tune.log#train_5", "tune.log#train_6"]
    curves = [finished.read(files, None, None, (), {}).epochs for files in found.values()]
    assert [[epoch.metrics["val/mean_accuracy"] for epoch in curve] for curve in curves] == [[0.15, 0.25], [0.16, 0.26]]
    assert not any("time" in name or "pid" in name or "id" in name for curve in curves for name in curve[-1].metrics)


def test_results_that_rllib_prints_are_returns(tmp_path: Path) -> None:
    text = "".join(RESULT.format(trial="PPO_a", score=f"episode_reward_mean: {n}0.5", n=n) for n in (1, 2))
    (epoch, last) = read(written(tmp_path, "rllib.log", text))
    assert (epoch.metrics["train/episode_reward_mean"], last.metrics["train/episode_reward_mean"]) == (10.5, 20.5)


def test_boxes_of_stable_baselines_are_returns_by_step(tmp_path: Path) -> None:
    text = "".join(BOX.format(reward=reward, steps=steps) for reward, steps in ((20, 256), (25, 512)))
    rows = Follower(written(tmp_path, "sb3.log", text)).poll()
    assert [(row.kind, row.step, row.metrics["rollout/ep_rew_mean"]) for row in rows] == [("train", 256, 20), ("train", 512, 25)]
    table = "time/iterations,rollout/ep_rew_mean,time/total_timesteps,train/loss\n1,20,256,0.0\n2,25,512,0.1\n"
    rows = Follower(written(tmp_path, "progress.csv", table)).poll()
    assert [(row.step, row.metrics) for row in rows] == [
        (256, {"rollout/ep_rew_mean": 20, "train/loss": 0.0}),
        (512, {"rollout/ep_rew_mean": 25, "train/loss": 0.1}),
    ]
    rows = Follower(written(tmp_path, "monitor.csv", '#{"t_start": 1.7}\nr,l,t\n20.0,60,1.2\n30.0,40,1.9\n')).poll()
    assert [(row.step, row.metrics["rollout/ep_rew_mean"]) for row in rows] == [(60, 20), (100, 25)]


def test_a_dictionary_that_is_printed_while_training_is_of_training(tmp_path: Path) -> None:
    line = "{'loss': 0.0, 'grad_norm': 0.1, 'learning_rate': 6e-06, 'num_tokens': 90000.0, 'reward': 0.65, 'epoch': 0.02}\n"
    (row,) = Follower(written(tmp_path, "grpo.log", line)).poll()
    assert (row.kind, row.metrics) == ("train", {"train/loss": 0, "grad_norm": 0.1, "lr": 6e-06, "train/reward": 0.65})


def run_of(folder: Path, **metrics: list[float]) -> Path:
    """A run in MLflow's file store."""
    for name, values in metrics.items():
        file = folder / "metrics" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"170000000000{step} {value} {step}\n" for step, value in enumerate(values)))
    (folder / "params").mkdir()
    (folder / "params" / "epochs").write_text("20")
    (folder / "meta.yaml").write_text("run_id: a\n")
    return folder


def test_a_run_of_mlflow_is_one_training(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_of(tmp_path / "mlruns" / "1" / name, loss=[0.9, 0.8], val_loss=[1.0, 0.9])
    found = trainings(tmp_path)
    assert list(found) == ["mlruns/1/a", "mlruns/1/b"]
    log = finished.read(found["mlruns/1/a"], None, None, (), {})
    assert [dict(epoch.metrics) for epoch in log.epochs] == LOSSES
    assert log.said == {"max_epochs": 20}
    assert trainings(tmp_path / "mlruns/1/a/metrics/loss") == {"a": [tmp_path / "mlruns/1/a"]}


def test_a_folder_of_dvclive_is_one_training(tmp_path: Path) -> None:
    for name, values in {"train/loss": [0.9, 0.8], "val/loss": [1.0, 0.9]}.items():
        file = tmp_path / "dvclive" / "plots" / "metrics" / f"{name}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"step\t{file.stem}\n" + "".join(f"{step}\t{value}\n" for step, value in enumerate(values)))
    (tmp_path / "dvclive" / "metrics.json").write_text('{"train": {"loss": 0.8}, "step": 1}')
    found = trainings(tmp_path)
    assert list(found) == ["dvclive"]
    assert [dict(epoch.metrics) for epoch in finished.read(found["dvclive"], None, None, (), {}).epochs] == LOSSES


def test_a_run_of_mlflow_is_followed(tmp_path: Path) -> None:
    home = run_of(tmp_path / "a", loss=[0.9], val_loss=[1.0])
    follower = Follower(home)
    assert [row.metrics for row in follower.poll()] == LOSSES[:1]
    for name, value in (("loss", 0.8), ("val_loss", 0.9)):
        with (home / "metrics" / name).open("a") as file:
            file.write(f"1700000000009 {value} 1\n")
    assert [row.metrics for row in follower.poll()] == LOSSES[1:]
    assert follower.poll() == []


def test_an_export_of_several_runs_is_several_trainings(tmp_path: Path) -> None:
    header = ",".join(f'"{run} - val_loss{end}"' for run in ("a - x", "b") for end in ("", "__MIN", "__MAX"))
    rows = "".join(f'"{n}","{1 / n}","0","9","2.3","0","9"\n' for n in (1, 2, 4))
    path = written(tmp_path, "export.csv", f'"Step",{header}\n{rows}')
    assert formats.recognise(path) == "wandb"
    found = trainings(path)
    assert list(found) == ["export.csv#a - x", "export.csv#b"]
    curves = [[dict(epoch.metrics) for epoch in finished.read(files, None, None, (), {}).epochs] for files in found.values()]
    assert curves == [[{"val/loss": 1.0}, {"val/loss": 0.5}, {"val/loss": 0.25}], [{"val/loss": 2.3}] * 3]
    assert list(trainings(tmp_path)) == list(found)


@pytest.mark.parametrize("indent", [None, 1])
def test_of_a_notebook_the_outputs_are_read(indent: int | None, tmp_path: Path) -> None:
    bar = "Epoch {n}/2\n\r 1/20 [>......] - loss: 2.2\b\b\b\b\r20/20 [====] - 1s - loss: {loss} - val_loss: {val}\n"
    printed = [bar.format(n=n, loss=row["train/loss"], val=row["val/loss"]) for n, row in enumerate(LOSSES, 1)]
    cells = [{"cell_type": "code", "outputs": [{"output_type": "stream", "text": [text]}]} for text in printed]
    book: dict[str, Any] = {"cells": [{"cell_type": "markdown", "source": ["loss: 7"]}, *cells], "nbformat": 4}
    assert [dict(epoch.metrics) for epoch in read(written(tmp_path, "a.ipynb", json.dumps(book, indent=indent)))] == LOSSES
    html = "<table><tr><th>Epoch</th><th>Training Loss</th><th>Validation Loss</th><th>Accuracy</th></tr>"
    html += "<tr><td>1</td><td>No log</td><td>1.0</td><td>0.5</td></tr>"
    html += "<tr><td>2</td><td>0.8</td><td>0.9</td><td>0.6</td></tr></table>"
    book["cells"] = [{"cell_type": "code", "outputs": [{"data": {"text/html": [html], "text/plain": ["<IPython>"]}}]}]
    assert [dict(epoch.metrics) for epoch in read(written(tmp_path, "b.ipynb", json.dumps(book, indent=indent)))] == [
        {"val/loss": 1.0, "val/accuracy": 0.5},
        {"train/loss": 0.8, "val/loss": 0.9, "val/accuracy": 0.6},
    ]


def test_a_number_under_a_name_that_is_given_is_read(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.log", each("epoch {n}\n== K@2: ==\n\n  0.4{n}\n0.9\n")), **{"K@2": "val/x"})
    assert [epoch.metrics["val/x"] for epoch in found] == [0.41, 0.42]


@pytest.mark.parametrize(
    "line", ["my funny metric 0.4{n}", "Mean F1 (event), over all: 0.4{n}", "K@2 = 0.4{n}", "so K@2 0.4{n} of it"]
)
def test_a_name_that_is_given_is_read_wherever_it_stands(line: str, tmp_path: Path) -> None:
    names = {"my funny metric": "val/x", "Mean F1 (event), over all": "val/x", "K@2": "val/x"}
    found = read(written(tmp_path, "a.log", each(f"epoch {{n}}\n{line}\n")), **names)
    assert [epoch.metrics["val/x"] for epoch in found] == [0.41, 0.42]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/metrics.csv", "b/metrics.csv"], ["a", "b"]),
        (["a.log", "b.log"], ["a.log", "b.log"]),
        (["runs/1/x/log.txt", "runs/2/x/log.txt"], ["1", "2"]),
        (["a/log.txt", "log.txt"], ["a/log.txt", "log.txt"]),
        (["x/1/log.txt", "x/2/log.txt", "x/2/other.txt"], ["1/log.txt", "2/log.txt", "2/other.txt"]),
    ],
)
def test_trainings_are_named_by_what_differs_in_their_paths(paths: list[str], names: list[str]) -> None:
    assert told_apart([Path(path) for path in paths]) == names
