"""After Lightning's example of an image classifier: it logs ``valid_loss`` by step and by epoch, and ends in LightningCLI."""

import sys

import torch
import torch.nn.functional as F
from digits import data, network

if sys.argv[1] == "lightning":
    from lightning.pytorch import LightningDataModule, LightningModule
    from lightning.pytorch.cli import LightningCLI
else:
    from pytorch_lightning import LightningDataModule, LightningModule
    from pytorch_lightning.cli import LightningCLI


class Classifier(LightningModule):
    def __init__(self, learning_rate: float = 0.01):
        super().__init__()
        self.save_hyperparameters()
        self.backbone = network()

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.backbone(batch[0]), batch[1])
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("valid_loss", F.cross_entropy(self.backbone(batch[0]), batch[1]), on_step=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)


class Digits(LightningDataModule):
    def train_dataloader(self):
        return torch.utils.data.DataLoader(data()[0], batch_size=128)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(data()[1], batch_size=128)


if __name__ == "__main__":
    cli = LightningCLI(Classifier, Digits, seed_everything_default=1234, args=sys.argv[2:], save_config_callback=None)
    (callback,) = (one for one in cli.trainer.callbacks if hasattr(one, "watch"))
    print(cli.trainer.current_epoch, callback.watch.verdict and callback.watch.verdict.reason)
