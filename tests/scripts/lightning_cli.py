"""A small classifier under LightningCLI: ``python lightning_cli.py fit --model.lr=0.1 --trainer.max_epochs=3 ...``."""

import warnings

import torch
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningCLI
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

warnings.simplefilter("ignore")


class Clouds(LightningDataModule):
    def setup(self, stage: str) -> None:
        y = torch.arange(240) % 2
        x = torch.randn(len(y), 2, generator=torch.Generator().manual_seed(0)) + 2 * y[:, None]
        self.train, self.val = TensorDataset(x[:120], y[:120]), TensorDataset(x[120:], y[120:])

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=40)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=40)


class Classifier(LightningModule):
    def __init__(self, lr: float = 0.1, weight_decay: float = 0.0, hidden: int = 4, layer_norm: bool = False) -> None:
        super().__init__()
        self.lr, self.weight_decay = lr, weight_decay
        norm = torch.nn.LayerNorm(hidden) if layer_norm else torch.nn.Identity()
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, hidden), norm, torch.nn.ReLU(), torch.nn.Linear(hidden, 2))

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        loss = cross_entropy(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        logits = self.layers(batch[0])
        self.log("val_loss", cross_entropy(logits, batch[1]))
        self.log("val_acc", (logits.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)


if __name__ == "__main__":
    LightningCLI(Classifier, Clouds)
