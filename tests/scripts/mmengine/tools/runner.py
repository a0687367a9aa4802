"""Takes the place of train.py where mmengine is installed: its Runner, started as mmaction2's tools/train.py starts it.

Two linear streams on two overlapping clouds, each with a loss, and a third for both; a fourth draws the streams together.
"""

import argparse

import torch
from mmengine.config import Config, DictAction
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch.nn.functional import cross_entropy, mse_loss


@DATASETS.register_module()
class Clouds(torch.utils.data.Dataset):
    def __init__(self, begin: int, end: int) -> None:
        y = torch.arange(240) % 2
        x = torch.randn(len(y), 4, generator=torch.Generator().manual_seed(0)) + 1.5 * y[:, None]
        self.x, self.y = x[begin:end], y[begin:end]

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"inputs": self.x[index], "labels": self.y[index]}


@MODELS.register_module()
class TwoStreams(BaseModel):
    def __init__(self, cls_head: dict[str, list[float]], **more: object) -> None:
        super().__init__(**more)
        self.rgb, self.pose = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        self.weights = cls_head["loss_weights"]

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, mode: str = "tensor"):
        rgb, pose = self.rgb(inputs[:, :2]), self.pose(inputs[:, 2:])
        if mode == "loss":
            names, losses = ("rgb", "pose", "fused"), [cross_entropy(logits, labels) for logits in (rgb, pose, rgb + pose)]
            return {f"loss_{name}": self.weights[i] * losses[i] for i, name in enumerate(names)} | {
                "loss_aux": self.weights[3] * mse_loss(rgb, pose)
            }
        found = {"RGBPose_1:1": rgb + pose, "rgb": rgb, "pose": pose}
        return [{name: (logits.argmax(1) == labels).float().mean().item() for name, logits in found.items()}]


@METRICS.register_module()
class Top1(BaseMetric):
    default_prefix = "acc"

    def process(self, _: object, samples: list[dict[str, float]]) -> None:
        self.results += samples

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        return {f"{name}_top1": sum(one[name] for one in results) / len(results) for name in results[0]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--work-dir")
    parser.add_argument("--resume", nargs="?", type=str, const="auto")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    flags = parser.parse_args()
    config = Config.fromfile(flags.config)
    config.merge_from_dict(flags.cfg_options or {})
    config.work_dir = flags.work_dir
    if flags.resume == "auto":
        config.resume = True
    elif flags.resume is not None:
        config.resume, config.load_from = True, flags.resume
    Runner.from_cfg(config).train()


if __name__ == "__main__":
    main()
