"""After Ray Tune's example for PyTorch: it reports ``mean_loss`` and ``mean_accuracy``; the stopper is all that is ours."""

import pitprop
import torch
import torch.nn.functional as F
from digits import data, network
from ray import tune

EPOCHS = 10


def train_digits(config):
    train, val = (torch.utils.data.DataLoader(part, batch_size=128, shuffle=True) for part in data())
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=config["momentum"])
    for _ in range(EPOCHS):
        for x, target in train:
            optimizer.zero_grad()
            F.cross_entropy(model(x), target).backward()
            optimizer.step()
        loss = correct = 0.0
        with torch.no_grad():
            for x, target in val:
                output = model(x)
                loss += F.cross_entropy(output, target, reduction="sum").item()
                correct += (output.argmax(dim=1) == target).sum().item()
        tune.report({"mean_loss": loss / len(val.dataset), "mean_accuracy": correct / len(val.dataset)})


if __name__ == "__main__":
    stopper = pitprop.adapters.tune.CollapseStopper(budget=EPOCHS, metric="mean_accuracy", chance_score=0.1)
    tuner = tune.Tuner(
        train_digits,
        param_space={"lr": tune.grid_search([1e-7, 0.1]), "momentum": 0.9},
        run_config=tune.RunConfig(stop=stopper, verbose=0),
    )
    results = tuner.fit()
    for result in results:
        print(result.config["lr"], result.metrics["training_iteration"])
    print(*(verdict.reason for verdict in stopper.verdicts.values()), sep="\n")
