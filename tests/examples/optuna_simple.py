"""After Optuna's example for PyTorch: the objective reports accuracies from epoch 0 on; the pruner is all that is ours."""

import optuna
import pitprop
import torch
import torch.nn.functional as F
from digits import data, network

EPOCHS = 10


def objective(trial):
    lr = trial.suggest_float("lr", 1e-7, 10, log=True)
    train, val = (torch.utils.data.DataLoader(part, batch_size=128, shuffle=True) for part in data())
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(EPOCHS):
        for x, target in train:
            optimizer.zero_grad()
            F.cross_entropy(model(x), target).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = sum((model(x).argmax(dim=1) == target).sum().item() for x, target in val) / len(val.dataset)
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


if __name__ == "__main__":
    pruner = pitprop.adapters.optuna.CollapsePruner(budget=EPOCHS, metric="accuracy", chance_score=0.1)
    study = optuna.create_study(direction="maximize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0))
    for lr in (1e-7, 1e-2, 10.0):
        study.enqueue_trial({"lr": lr})
    study.optimize(objective, n_trials=3)
    print(*(trial.state.name for trial in study.trials))
    for trial in study.trials:
        print(trial.number, trial.user_attrs.get("verdict", {}).get("reason"))
