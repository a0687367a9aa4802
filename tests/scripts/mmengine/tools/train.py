"""Stands in for mmaction2's tools/train.py: its flags, and the lines that mmengine 0.10 printed in two real trainings.

Of the two, the rate of learning decides; the pose stream is the worse the further its weight lies from 1.2.
"""

import argparse
import re
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("config", type=Path)
parser.add_argument("--work-dir", type=Path)
parser.add_argument("--resume", nargs="?", const="auto")
parser.add_argument("--cfg-options", nargs="+", default=[])
flags = parser.parse_args()
options = dict(pair.split("=", 1) for pair in flags.cfg_options)
weights = [float(one) for one in options["model.cls_head.loss_weights"].strip("[]").split(",")]
lr, epochs = float(options["optim_wrapper.optimizer.lr"]), int(options["train_cfg.max_epochs"])
assert flags.config.exists(), flags.config

begin = int(re.findall(r"\d+", Path(flags.resume).name)[0]) if flags.resume else 0
printed = Path(__file__).parents[1] / ("healthy.log" if lr < 0.1 else "diverged.log")
for line in printed.read_text().splitlines():
    epoch = int(re.search(r"\[(\d+)\]| at (\d+) ", line)[0].strip("[] at"))
    if not begin < epoch <= epochs:
        continue
    if "acc/top1" in line:
        top1 = float(re.search(r"acc/top1: (\S+)", line)[1])
        pose = max(0.0, top1 - 0.1 * abs(weights[1] - 1.2))
        scores = {"RGBPose_1:1": (top1 + pose) / 2, "rgb": top1, "pose": pose}
        said = "  ".join(f"acc/{name}_top1: {score:.4f}" for name, score in scores.items())
        line = re.sub(r"acc/top1: \S+  acc/top5: \S+  acc/mean1: \S+", said, line)
    if "Saving" in line:
        (flags.work_dir / f"epoch_{epoch}.pth").touch()
    print(line)
