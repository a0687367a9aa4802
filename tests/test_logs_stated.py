"""When the learning rate rises and is lowered, read off flags and off configurations as trainings print them."""

from __future__ import annotations

import pytest
from pitprop.logs.lines import stated

NAMESPACE = "Namespace(lr=0.1, {more}, batch_size=64)"
PARAM_SCHEDULER = """param_scheduler = [
    dict(begin=0, by_epoch=True, end=5, start_factor=0.1, type='LinearLR'),
    dict(
        begin=5,
        milestones=[
            60,
            80,
        ],
        type='MultiStepLR'),
]
"""
RISES = {
    "train.py --warmup-epochs 5 --lr 0.1": 5.0,
    "warmup_epochs: 3.0, warmup_momentum: 0.8": 3.0,
    "lr_scheduler_type=SchedulerType.LINEAR,\nwarmup_ratio=0.1,\nwarmup_steps=0,": 0.1,
    "{'num_warmup_steps': 500, 'max_steps': 5000}": 0.1,
    "warmup_proportion = 0.06": 0.06,
    "lr_config = dict(policy='step', warmup_iters=500, warmup_ratio=0.001, step=[8, 11])": None,
    "num_warmup_steps=500": None,
    "warming up the cache: 5": None,
    PARAM_SCHEDULER: 5.0,
}
FALLS = {
    NAMESPACE.format(more="milestones=[60, 80]"): [60, 80],
    NAMESPACE.format(more="sched='step', decay_epochs=30"): [30, 60, 90],
    NAMESPACE.format(more="sched='cosine', decay_epochs=30"): [],
    NAMESPACE.format(more="scheduler='cosine', milestones=[60, 80]"): [],
    NAMESPACE.format(more="step_size=30"): [],
    "train.py --schedule 120 160 --lr 30": [120, 160],
    "train.py --lr-steps 16 22": [16, 22],
    "train.py --lr_decay_epochs 700,800,900": [700, 800, 900],
    "scheduler: StepLR(step_size=30, gamma=0.1)": [30, 60, 90],
    "lr_config = dict(policy='step', warmup_iters=500, step=[8, 11])": [8, 11],
    "scheduler:\n  name: multistep\n  milestones:\n  - 60\n  - 80\n  gamma: 0.1": [60, 80],
    "SOLVER:\n  STEPS: (60000, 80000)": [60000, 80000],
    "epoch 3 step 20: loss=0.5": [],
    "step [100/200] loss 2.0": [],
    PARAM_SCHEDULER: [60, 80],
}


@pytest.mark.parametrize("text", RISES)
def test_how_long_the_rate_rises_is_read_in_epochs_or_as_a_share(text: str) -> None:
    found = stated.readings(stated.of(text)).get("facts/warmup")
    assert found == (RISES[text] if RISES[text] is None else pytest.approx(RISES[text]))


@pytest.mark.parametrize("text", FALLS)
def test_after_which_epochs_a_step_lowers_the_rate_is_read(text: str) -> None:
    found = stated.readings(stated.of(text))
    drops = [found[f"facts/drop/{k}"] for k in range(stated.MOST) if f"facts/drop/{k}" in found]
    assert drops[: max(1, len(FALLS[text]))] == FALLS[text]


def test_a_warm_up_in_steps_counts_in_a_budget_of_steps() -> None:
    assert stated.readings({"warmup_steps": 500.0, "max_steps": 5000}, by_steps=True) == {"facts/warmup": 500.0}
