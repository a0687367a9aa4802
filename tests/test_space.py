"""A space: what its grammar says, what it refuses and how, and what it means."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pitprop import space
from pitprop.detection import signatures
from pitprop.detection.detect import Bound, Signature
from pitprop.detection.stopping import EarlyStopping
from pitprop.space import Gate, Relative, SignatureChoice, SpaceError, constraints
from pitprop.space.checks import missing
from pitprop.space.schema import kinds

TRAINER = '''"""A trainer that says what it takes."""
PARAMS = {
    "lr": 1e-3, "warmup": {"epochs": 2, "start": 0.1}, "focal": {"alpha": [1.0, 1.0], "gamma": 2.0}, "mode": "plain",
    "clip": None,
}
OPTIONS = {"batch_size": 32}
REPORTS = ("val/loss", "val/macro_f1", "val/predicted/", "grad_norm", "train/loss")
def train(params, context):
    yield
'''
BASE = """
question: What is found here?
trainer: toy.py
objective: {metric: val/macro_f1, goal: maximize}
epochs: 10
"""
PARAMS = """
params:
  lr: {float: [1e-5, 1e-1], log: true}
  focal: {alpha: {choice: [[0.5, 2.0], [1, 1]]}, gamma: 2.0}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spaces")
    (folder / "toy.py").write_text(TRAINER)
    (folder / "silent.py").write_text("def train(params, context):\n    yield\n")
    return folder


def load(folder: Path, text: str) -> space.Space:
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    return space.load(str(folder / "s.yaml"))


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SpaceError) as error:
        load(folder, text)
    return str(error.value)


# The grammar


def test_a_distribution_becomes_an_optuna_distribution_under_its_dotted_name(folder: Path) -> None:
    found = load(
        folder,
        BASE
        + """
params:
  lr: {float: [1e-5, "1e-1"], log: true}
  focal: {gamma: {float: [0, 1], step: 0.1}}
  clip: {choice: [[0.5, 2.0], null, 1.5, text]}
  warmup: {epochs: {int: [1, 9], step: 2}, start: 1e-7}
""",
    )
    assert {leaf.name: leaf.distribution for leaf in found.leaves} == {
        "lr": FloatDistribution(1e-5, 0.1, log=True),
        "focal.gamma": FloatDistribution(0, 1, step=0.1),
        "clip": CategoricalDistribution(["[0.5, 2.0]", None, 1.5, "text"]),
        "warmup.epochs": IntDistribution(1, 9, step=2),
    }
    assert found.constants == {"warmup.start": 1e-7}


def test_params_join_constants_and_decoded_values_in_a_tree(folder: Path) -> None:
    found = load(folder, BASE + PARAMS)
    assert found.params({"lr": 0.01, "focal.alpha": "[0.5, 2.0]"}) == {"lr": 0.01, "focal": {"alpha": [0.5, 2.0], "gamma": 2.0}}


def test_a_dotted_key_is_a_nested_one(folder: Path) -> None:
    dotted = "params: {lr: {float: [1e-5, 1e-1], log: true}, focal.alpha: {choice: [[0.5, 2.0], [1, 1]]}, focal.gamma: 2.0}"
    assert space.meaning(load(folder, BASE + dotted)) == space.meaning(load(folder, BASE + PARAMS))


def test_defaults_stand_where_the_file_says_nothing(folder: Path) -> None:
    found = load(folder, BASE + PARAMS)
    assert (found.trials, found.seeds, found.seed, found.timeout, found.stall, found.retries) == (32, 1, 0, None, 1800, 1)
    assert (found.revive, found.checkpoint) == (0, {})
    assert found.objective.at == "best"
    assert (*found.sampler, found.pruner, found.directions) == ("tpe", {}, None, ["maximize"])
    assert (found.resources.cpus, found.resources.gpus, found.resources.workers, found.resources.lanes) == (1, 0, None, None)


@pytest.mark.parametrize(("text", "wanted"), [("90s", 90), ("3m", 180), ("2h", 7200), ("1h30m", 5400), ("45", 45), ("2.5", 2.5)])
def test_a_timeout_is_text_with_units_or_seconds(folder: Path, text: str, wanted: float) -> None:
    assert load(folder, BASE + PARAMS + f"timeout: {text}").timeout == wanted


def test_a_parameter_exists_only_when_another_has_the_value_and_is_walked_after_it(folder: Path) -> None:
    found = load(
        folder,
        BASE
        + """
params:
  clip: {float: [0.1, 1], when: {mode: [clipped, both]}}
  lr: {float: [1, 2], when: {clip: 0.5}}
  mode: {choice: [plain, clipped, both]}
""",
    )
    assert [leaf.name for leaf in found.leaves] == ["clip", "lr", "mode"]
    assert [leaf.name for leaf in found.walk] == ["mode", "clip", "lr"]
    assert [leaf.name for leaf in found.active({"mode": "plain"})] == ["mode"]
    drawn: dict[str, Any] = {}
    for leaf, value in zip(found.active(drawn), ["both", 0.5, 1.5], strict=True):
        drawn[leaf.name] = value
    assert drawn == {"mode": "both", "clip": 0.5, "lr": 1.5}


def test_points_are_optuna_values_and_may_be_partial(folder: Path) -> None:
    found = load(folder, BASE + PARAMS + "points: [{focal: {alpha: [1, 1]}}, {lr: 1e-3, focal.alpha: [0.5, 2.0]}]")
    assert found.points == ({"focal.alpha": "[1, 1]"}, {"lr": 1e-3, "focal.alpha": "[0.5, 2.0]"})


def test_a_baseline_is_a_whole_tree_and_may_lie_outside_the_distributions(folder: Path) -> None:
    text = "baselines: {old: {params: {lr: 5, focal: {alpha: [9, 9], gamma: 0}}}, told: {values: {val/macro_f1: 0.55}}}"
    found = load(folder, BASE + PARAMS + text)
    old, told = found.baselines
    assert old.params == {"lr": 5.0, "focal": {"alpha": [9, 9], "gamma": 0}}
    assert found.params({}, old) == old.params
    assert [(leaf.name, value, leaf.holds(value)) for leaf, value in found.drawn(old.params or {})] == [
        ("lr", 5.0, False),
        ("focal.alpha", "[9, 9]", False),
    ]
    assert told.values == {"val/macro_f1": 0.55}


def test_every_shipped_signature_watches_unless_the_space_says_otherwise(folder: Path) -> None:
    watching = load(folder, (BASE + PARAMS).replace("toy.py", "silent.py")).signatures
    assert {name: (one.action, one.thresholds) for name, one in watching.items()} == {
        name: (signatures.action(name), signatures.thresholds(name)) for name in signatures.names()
    }
    assert load(folder, BASE + PARAMS + "signatures: off").signatures == {}
    changed = load(
        folder, BASE + PARAMS + "signatures: {explosion: {action: warn, patience: 9}, non_finite: off, nothing_trains: warn}"
    )
    assert changed.signatures["explosion"].action == "warn"
    assert changed.signatures["explosion"].thresholds == {**signatures.thresholds("explosion"), "patience": 9}
    assert changed.signatures["nothing_trains"].action == "warn"
    assert "non_finite" not in changed.signatures


@pytest.mark.parametrize("action", ["prune", "park", "warn"])
def test_a_signature_and_a_gate_take_every_action(folder: Path, action: str) -> None:
    gate = f"gates: [{{metric: val/loss, epoch: 3, at_most: 1, action: {action}}}]\n"
    for said in (action, f"{{action: {action}}}"):
        found = load(folder, BASE + PARAMS + gate + f"signatures: {{explosion: {said}}}")
        assert found.signatures["explosion"].action == found.gates[0].action == action


@pytest.mark.parametrize("said", ["off", "false", "'off'", "{action: off}"])
def test_a_signature_that_is_off_does_not_watch(folder: Path, said: str) -> None:
    assert "explosion" not in load(folder, BASE + PARAMS + f"signatures: {{explosion: {said}}}").signatures


@pytest.mark.parametrize("name", signatures.names())
def test_every_threshold_of_every_signature_can_be_set(folder: Path, name: str) -> None:
    wanted = {key: type(default)(1) for key, default in signatures.thresholds(name).items()}
    assert wanted
    choice = load(folder, (BASE + PARAMS).replace("toy.py", "silent.py") + f"signatures: {{{name}: {json.dumps(wanted)}}}")
    assert choice.signatures[name].thresholds == wanted
    Signature(name, choice.signatures[name].action, wanted)


@pytest.mark.parametrize(
    ("reading", "reports", "given"),
    [
        ("val/predicted/ or val/macro_f1", ("val/macro_f1",), True),
        ("val/predicted/ or val/macro_f1", ("val/predicted/0",), True),
        ("val/predicted/ or val/macro_f1", ("val/loss",), False),
        ("val/*f1", ("val/macro_f1",), True),
        ("val/*f1", ("val/f1_loss",), False),
        ("val/*f1", ("val/",), True),
        ("val/predicted/", ("val/",), True),
        ("val/predicted/0", ("val/predicted/",), True),
        ("grad_norm", ("grad_norm/",), False),
    ],
)
def test_a_reading_may_be_one_of_several_or_a_pattern(reading: str, reports: tuple[str, ...], given: bool) -> None:
    choice = SignatureChoice("warn", {}, ("val/loss", reading))
    assert missing(choice, ("val/loss", *reports)) == ([] if given else [reading])
    assert missing(choice, None) == []


def test_trainings_may_start_from_a_checkpoint_whose_scores_are_known(folder: Path) -> None:
    text = "baselines: {old: {values: {val/loss: 2}}, start: {values: {val/macro_f1: 0.61, val/loss: 1}, checkpoint: true}}"
    found = load(folder, BASE + PARAMS + text)
    assert found.checkpoint == {"val/macro_f1": 0.61, "val/loss": 1.0}
    assert [baseline.checkpoint for baseline in found.baselines] == [False, True]
    assert load(folder, BASE + PARAMS + text.replace("true", "false")).checkpoint == {}


def test_a_space_says_how_many_parked_trials_it_revives(folder: Path) -> None:
    assert load(folder, BASE + PARAMS + "revive: 3\nearly_stopping: {patience: 3}").revive == 3
    assert load(folder, BASE + PARAMS + "revive: 0\nearly_stopping: {patience: {int: [1, 5]}}").revive == 0


def test_a_signature_of_the_default_set_that_cannot_see_is_listed_and_no_error(folder: Path) -> None:
    (folder / "blind.py").write_text(TRAINER.replace('"val/loss", ', ""))
    found = load(folder, (BASE + PARAMS).replace("toy.py", "blind.py"))
    assert ("explosion", "val/loss") in found.unwatched()
    assert "explosion" not in found.signatures
    assert "nothing_trains" in found.signatures  # the gradient norm is enough
    assert set(found.signatures) | dict(found.unwatched()).keys() == set(signatures.names())


def test_a_trainer_that_says_nothing_of_itself_takes_anything(folder: Path) -> None:
    text = (BASE + "params: {anything: {at: {all: {int: [1, 2]}}}}\noptions: {x: 1}\nsignatures: {explosion: warn}").replace(
        "toy", "silent"
    )
    found = load(folder, text)
    assert found.params({"anything.at.all": 2}) == {"anything": {"at": {"all": 2}}}
    assert found.unwatched() == []


def test_early_stopping_may_be_searched_and_then_there_are_two_objectives(folder: Path) -> None:
    found = load(folder, BASE + PARAMS + "early_stopping: {patience: {int: [1, 9]}, min_delta: 0.01}")
    assert found.searches_stopping
    assert found.directions == ["maximize", "minimize"]
    values = {"lr": 0.01, "focal.alpha": "[1, 1]", "early_stopping.patience": 4}
    assert found.stopping(values) == EarlyStopping(4, 0.01, "val/macro_f1", True)
    assert "early_stopping" not in found.params(values)


def test_early_stopping_of_constants_leaves_one_objective(folder: Path) -> None:
    found = load(folder, BASE + PARAMS + "early_stopping: {patience: 3, metric: val/loss, goal: minimize}")
    assert found.stopping({}) == EarlyStopping(3, 0.0, "val/loss", False)
    assert found.directions == ["maximize"]
    assert load(folder, BASE + PARAMS).stopping({}) is None


def test_a_gate_may_hang_on_a_baseline_and_waits_for_it(folder: Path) -> None:
    text = """
gates:
  - {metric: val/macro_f1, epoch: 5, at_least: {baseline: b, plus: -0.02}, action: warn, remedy: lower lr}
  - {metric: val/loss, epoch: 1, at_most: 1e1}
baselines: {b: {params: {lr: 1, focal.alpha: [1, 1]}}}
"""
    first, second = load(folder, BASE + PARAMS + text).gates
    assert first == Gate("val/macro_f1", 5, Relative("b", -0.02), None, "warn", "lower lr")
    assert first.against({}) is None
    assert first.against({"b": {"val/macro_f1": 0.5}}) == Bound("val/macro_f1", 5, 0.48, None, "warn", "lower lr")
    assert second.against({}) == Bound("val/loss", 1, None, 10.0)


def test_a_sampler_and_a_pruner_take_the_options_of_their_classes(folder: Path) -> None:
    text = "sampler: {tpe: {multivariate: true, n_startup_trials: 1e1}}\npruner: {percentile: {percentile: 25}}"
    found = load(folder, BASE + PARAMS + text)
    assert found.sampler == ("tpe", {"multivariate": True, "n_startup_trials": 10})
    assert found.pruner == ("percentile", {"percentile": 25.0})


# Constraints


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("warmup.epochs < epochs", True),
        ("warmup.epochs * 2 + 1 <= epochs", False),
        ("not warmup.epochs == 6 or focal.alpha[1] > 3", False),
        ("0 < focal.alpha[0] < focal.alpha[1]", True),
        ("mode in ['plain', 'both'] and options.batch_size // 2 == 16", True),
        ("warmup.epochs / 0 < 1", False),
        ("mode < 3", False),
        ("clip > 1", True),  # clip does not exist in this trial
    ],
)
def test_a_constraint_says_which_trials_are_allowed(folder: Path, text: str, holds: bool) -> None:
    params = """
params:
  lr: 1
  warmup: {epochs: {int: [0, 9]}}
  focal: {alpha: {choice: [[0.5, 2.0]]}}
  mode: {choice: [plain, clipped]}
  clip: {int: [0, 1], when: {mode: clipped}}
"""
    found = load(folder, BASE + params + "constraints:\n  - " + json.dumps(text))
    values = {"warmup.epochs": 6, "focal.alpha": "[0.5, 2.0]", "mode": "plain"}
    assert (found.violated(values) == []) is holds
    assert all(broken.startswith(text) for broken in found.violated(values))


@pytest.mark.parametrize(
    "text", ["__import__('os')", "lr.__class__()", "[x for x in lr]", "lr ** 9", "(lambda: 1)()", "lr[0][1].x", "lr <", "f'{lr}'"]
)
def test_a_constraint_is_no_program(text: str) -> None:
    with pytest.raises(ValueError, match="a constraint takes"):
        constraints.parse(text)


@given(st.text(max_size=400))
def test_any_text_is_a_constraint_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        constraints.parse(text).violated({"lr": 0.5, "epochs": 3})


# What is refused, and how

ERRORS = [
    ("params: {focal: {gamm: 1}, lr: {int: [1, 2]}}", "s.yaml: params.focal.gamm: unknown key; did you mean 'gamma'?"),
    (
        "params: {lr: {floot: [1e-5, 1], log: true}}",
        "params.lr: a distribution is one of float, int, choice, none of them here.*did you mean 'float'",
    ),
    ("params: {lr: {float: [1, 2], int: [1, 2]}}", "params.lr: .*more than one"),
    ("params: {lr: {float: [1, 0.1]}}", r"params.lr.float: low 1.0 is above high 0.1"),
    ("params: {lr: {float: [0, 1], log: true}}", "params.lr.float: low 0.0 must be above 0 with log: true"),
    ("params: {lr: {float: [0.1, 1], log: true, step: 0.1}}", "params.lr.float: takes either log or step"),
    (
        "params: {lr: {float: [0, 1.05], step: 0.1}}",
        "high 1.05 is not reached from 0.0 in steps of 0.1; the nearest below is 1.0",
    ),
    ("params: {lr: {float: [1]}}", r"params.lr.float: \[1\] is not allowed; it takes two numbers, \[low, high\]"),
    ("params: {lr: {float: [false, true]}}", "it takes two numbers"),
    ("params: {lr: {float: [0, .inf]}}", "it takes two numbers"),
    ("params: {lr: {int: [0.5, 2]}}", "it takes two whole numbers"),
    ("params: {lr: {int: [1, 2], logg: true}}", "params.lr.logg: unknown key; did you mean 'log'"),
    ("params: {lr: {choice: []}}", "params.lr.choice: .* takes a list of values"),
    ("params: {lr: {choice: [1, 1.0]}}", "params.lr.choice: 1.0 is given twice"),
    ("params: {lr: {choice: [.nan]}}", "not finite"),
    (
        "params: {lr: {int: [1, 2], when: {mod: plain}}, mode: {choice: [plain]}}",
        "params.lr.when.mod: is no searched parameter; did you mean 'mode'",
    ),
    (
        "params: {lr: {int: [1, 2], when: {mode: plane}}, mode: {choice: [plain]}}",
        "params.lr.when.mode: 'plane' is not a choice; did you mean 'plain'",
    ),
    (
        "params: {lr: {int: [1, 2], when: {clip: 1}}, clip: {int: [1, 2], when: {lr: 1}}}",
        "params.lr.when: waits for itself, by way of clip",
    ),
    ("params: {focal: 3, lr: {int: [1, 2]}}", "params.focal: is a group of alpha, gamma, not 3"),
    ("params: {lr: {a: {b: 1}}}", "params.lr: a distribution is one of"),
    ("params: {lr: 1}", "params: nothing is searched"),
    ("params: {lr: {int: [1, 2]}, lr: 3}", "params.lr: is given twice, the second time in line"),
    ("params: {warmup.epochs: 1, warmup: {epochs: {int: [1, 2]}}}", "params.warmup.epochs: is given twice"),
    ("params: [1]", r"params: must be a mapping of parameters, not \[1\]"),
    (PARAMS + "optoins: {}", "s.yaml: optoins: unknown key; did you mean 'options'?"),
    (PARAMS + "options: {batch: 1}", "options.batch: unknown key; did you mean 'batch_size'?"),
    (PARAMS + "trials: 0", "trials: 0 is not allowed; it takes a whole number of at least 1"),
    (PARAMS + "trials: true", "trials: true is not allowed"),
    (PARAMS + "seeds: many", "seeds: 'many' is not allowed; it takes a whole number"),
    (PARAMS + "seed: -1", "seed: -1 is not allowed"),
    (PARAMS + "timeout: 0", "timeout: 0 is not allowed; it takes a time above 0 such as 90s"),
    (PARAMS + "timeout: 3 minutes", "timeout: '3 minutes' is not allowed"),
    (PARAMS + "resources: {gpus: -1}", "resources.gpus: -1 is not allowed"),
    (PARAMS + "resources: {cpu: 1}", "resources.cpu: unknown key; did you mean 'cpus'"),
    (PARAMS + "sampler: tpee", "sampler: 'tpee' is not a sampler; did you mean 'tpe'"),
    (PARAMS + "sampler: {tpe: {multivariat: true}}", "sampler.tpe.multivariat: unknown key; did you mean 'multivariate'"),
    (PARAMS + "sampler: {tpe: {seed: 1}}", "sampler.tpe.seed: unknown key"),
    (PARAMS + "sampler: {tpe: {n_startup_trials: few}}", "sampler.tpe.n_startup_trials: 'few' is not allowed; it takes int"),
    (PARAMS + "sampler: {qmc: {qmc_type: dice}}", "sampler.qmc: .*dice"),
    (PARAMS + "sampler: grid", "sampler: grid needs a step or choices, at most 1000 values, for lr"),
    (
        PARAMS + "sampler: cmaes\nearly_stopping: {patience: {int: [1, 5]}}",
        "sampler: cmaes takes one objective.*use tpe or nsga2",
    ),
    (PARAMS + "pruner: percentile", "pruner.percentile.percentile: is missing; it takes float"),
    (PARAMS + "pruner: medain", "pruner: 'medain' is not a pruner; did you mean 'median'"),
    (PARAMS + "signatures: {explosoin: off}", "signatures.explosoin: unknown signature; did you mean 'explosion'"),
    (PARAMS + "signatures: {explosion: {patiense: 3}}", "signatures.explosion.patiense: unknown key; did you mean 'patience'"),
    (
        PARAMS + "signatures: {explosion: {patience: long}}",
        "signatures.explosion.patience: 'long' is not allowed; it takes a whole number of at least 1",
    ),
    (PARAMS + "signatures: {explosion: {patience: 0}}", "signatures.explosion.patience: 0 is not allowed"),
    (
        PARAMS + "signatures: {chance_plateau: {grace: 12}}",
        "signatures.chance_plateau.grace: 12 is not allowed; it takes a share of the budget, 0 to 1",
    ),
    (PARAMS + "signatures: {explosion: pruna}", "signatures.explosion: 'pruna' is not allowed; did you mean 'prune'"),
    (PARAMS + "signatures: {explosion: parc}", "signatures.explosion: 'parc' is not allowed; did you mean 'park'"),
    (
        PARAMS + "signatures: {explosion: {action: stop}}",
        "signatures.explosion.action: 'stop' is not allowed; it takes one of prune, park, warn, off",
    ),
    (PARAMS + "revive: some", "revive: 'some' is not allowed; it takes a whole number of at least 0"),
    (PARAMS + "revive: -1", "revive: -1 is not allowed"),
    (PARAMS + "revives: 2", "s.yaml: revives: unknown key; did you mean 'revive'"),
    (
        PARAMS + "revive: 2\nearly_stopping: {patience: {int: [1, 5]}}",
        "revive: 2 is not allowed: searching early stopping answers trials from recorded curves.*leave revive out",
    ),
    (PARAMS + "early_stopping: {}", "early_stopping.patience: is missing"),
    (
        PARAMS + "early_stopping: {patience: {int: [0, 5]}}",
        "early_stopping.patience: every value must be a whole number of at least 1, not 0",
    ),
    (
        PARAMS + "early_stopping: {patience: 3, metric: grad_norm}",
        "early_stopping.goal: is missing, and the name .grad_norm. does not tell",
    ),
    (
        PARAMS + "gates: [{metric: val/loss, epoch: 11, at_most: 1}]",
        r"gates\[0\].epoch: 11 is not allowed; it takes an epoch of the space, 1 to 10",
    ),
    (
        PARAMS + "gates: [{metric: val/los, epoch: 1, at_most: 1}]",
        r"gates\[0\].metric: 'val/los' is not reported by the trainer; did you mean 'val/loss'",
    ),
    (PARAMS + "gates: [{metric: val/loss, epoch: 1}]", r"gates\[0\]: has no bound; it takes at_least or at_most"),
    (
        PARAMS + "gates: [{metric: val/loss, epoch: 1, at_most: {baseline: x}}]",
        r"gates\[0\].at_most.baseline: 'x' is no baseline of this space",
    ),
    (
        PARAMS + "baselines: {b: {values: {val/los: 1}}}\ngates: [{metric: val/loss, epoch: 1, at_most: {baseline: b}}]",
        "b records no 'val/loss'; did you mean 'val/los'",
    ),
    (PARAMS + "baselines: {b: {params: {lr: 1}}}", "baselines.b.params: gives no value for focal.alpha"),
    (PARAMS + "baselines: {b: {params: {lr: x, focal.alpha: [1, 1]}}}", "baselines.b.params.lr: 'x' is not a number"),
    (
        PARAMS + "baselines: {b: {params: {lr: 1, focal: {alpha: [1, 1], gam: 1}}}}",
        "baselines.b.params.focal.gam: unknown key; did you mean 'gamma'",
    ),
    (
        PARAMS + "baselines: {b: {params: {lr: 1, focal.alpha: [1, 1]}, checkpoint: true}}",
        "baselines.b.checkpoint: needs values, what the checkpoint scored",
    ),
    (
        PARAMS + "baselines: {b: {values: {val/loss: 1}, checkpoint: true}, c: {values: {val/loss: 2}, checkpoint: true}}",
        "baselines.c.checkpoint: is said of 'b' already; trainings start from one checkpoint at most",
    ),
    (PARAMS + "baselines: {b: {values: {val/loss: 1}, chekpoint: true}}", "unknown key; did you mean 'checkpoint'"),
    (PARAMS + "baselines: {b: {}}", r"baselines.b: says .*; it takes one of params \(to train\), values"),
    (PARAMS + "points: [{lr: 1}]", r"points\[0\].lr: 1 is not within \[1e-05, 0.1\]"),
    (
        PARAMS + "points: [{focal.alpha: [1, 2]}]",
        r"points\[0\].focal.alpha: \[1, 2\] is not a choice; known: \[\[0.5, 2.0\], \[1, 1\]\]",
    ),
    (PARAMS + "points: [{l: 1}]", r"points\[0\].l: is no searched parameter; did you mean 'lr'"),
    (PARAMS + "constraints: [lr < 0.01]\npoints: [{lr: 0.05}]", r"points\[0\]: breaks the constraint 'lr < 0.01'"),
    (
        "params: {lr: {int: [1, 2], when: {mode: b}}, mode: {choice: [a, b]}}\npoints: [{mode: a, lr: 1}]",
        r"points\[0\].lr: exists only when mode is 'b'",
    ),
    (
        PARAMS + "constraints: [warmup.epoch < epochs]",
        r"constraints\[0\]: unknown name 'warmup.epoch'; did you mean 'warmup.epochs'",
    ),
    (PARAMS + "constraints: [epochs < 5]", r"constraints\[0\]: 'epochs < 5' never holds"),
    (
        "params: {lr: {int: [1, 2]}, clip: [{float: [0, 1]}]}",
        r"params.clip\[0\]: .* is a distribution where none is searched",
    ),
    ("params: {clip: {choice: [1, {float: [0, 1], log: true}]}}", r"params.clip.choice\[1\]: .* is a distribution where none"),
    ("params: {clip: {choice: [[{int: [0, 1]}]]}}", r"params.clip.choice\[0\]\[0\]: .* is a distribution where none"),
    (PARAMS + "options: {batch_size: {choice: [8, 16]}}", "options.batch_size: .* is a distribution where none is searched"),
    (PARAMS + "options: {batch_size: many}", "options.batch_size: 'many' is not allowed; it takes a number, such as 32"),
    (PARAMS + "options: {batch_size: [8]}", r"options.batch_size: \[8\] is not allowed; it takes a number"),
    ("params: {lr: {choice: [1e-3, fast]}}", r"params.lr.choice\[1\]: 'fast' is not allowed; it takes a number, such as 0.001"),
    ("params: {lr: {choice: [2, true]}}", r"params.lr.choice\[1\]: true is not allowed; it takes a number"),
    ("params: {lr: {int: [1, 2]}, warmup.start: [0.01]}", r"params.warmup.start: \[0.01\] is not allowed; it takes a number"),
    ("params: {lr: {int: [1, 2]}, mode: true}", "params.mode: true is not allowed; it takes text, such as 'plain'"),
    ("params: {focal.alpha: {float: [1, 2]}}", r"params.focal.alpha: 1.0 is not allowed; it takes a list, such as \[1.0, 1.0\]"),
    ("params: {focal.alpha: {choice: [[1, x]]}}", r"params.focal.alpha.choice\[0\]\[1\]: 'x' is not allowed; it takes a number"),
    (
        PARAMS + "baselines: {b: {params: {lr: 1, focal: {alpha: ['null', 1.0]}}}}",
        r"baselines.b.params.focal.alpha\[0\]: 'null' is not allowed; it takes a number",
    ),
    (
        "params: {clip: {choice: [0.5, 1]}}\nbaselines: {b: {params: {clip: wide}}}",
        r"baselines.b.params.clip: 'wide' is not allowed; it takes a number, as the choices \[0.5, 1\] are",
    ),
    (PARAMS + "points: [{lr: x}]", r"points\[0\].lr: 'x' is not a number"),
    (PARAMS + "constraints: [1]", r"constraints\[0\]: 1 is not a text"),
    (PARAMS + "constraints: lr < 1", "constraints: must be a list, not 'lr < 1'"),
]


@pytest.mark.parametrize(("text", "wanted"), ERRORS)
def test_a_mistake_is_said_in_one_line_with_its_key_and_what_is_allowed(folder: Path, text: str, wanted: str) -> None:
    lines = refusal(folder, BASE + text).splitlines()
    assert len(lines) == 1, lines
    assert re.search(wanted, lines[0]), lines[0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "s.yaml: is empty"),
        ("- a", "s.yaml: must be a mapping"),
        ("a: [", "s.yaml: is not YAML: line 1"),
        ("a: &a [*a]", r"s.yaml: a\[0\]: refers to itself"),
        ("[" * 3000, "s.yaml: is nested more than 50 deep"),
        ("a: !!int x", "a: 'x' is not a int"),
        ("{[1]: 2}", "has a list or a mapping as a key"),
        (BASE.replace("What is found here?", ""), "question: is missing; it takes text"),
        (BASE.replace("toy.py", "imbalancd"), "trainer: there is no trainer 'imbalancd'.*did you mean 'imbalanced'"),
        (BASE.replace("toy.py", "json"), "trainer: .*a trainer defines train"),
        (
            BASE.replace("val/macro_f1", "val/macro_f"),
            "objective.metric: 'val/macro_f' is not reported.*did you mean 'val/macro_f1'",
        ),
        (BASE.replace("maximize", "maximise"), "objective.goal: 'maximise' is not allowed; did you mean 'maximize'"),
        (BASE.replace("epochs: 10", "epochs: ten"), "epochs: 'ten' is not allowed; it takes a whole number of at least 1"),
    ],
)
def test_a_broken_file_says_so(folder: Path, text: str, wanted: str) -> None:
    assert re.search(wanted, refusal(folder, text))


def test_all_problems_of_a_file_are_told_at_once_each_with_the_file(folder: Path) -> None:
    text = BASE.replace("maximize", "up") + "params: {lr: {float: [2, 1]}, focl: {gamma: 1}}\ntrials: 0\nsampler: tp\nwhat: 1\n"
    lines = refusal(folder, text).splitlines()
    wanted = ["objective.goal", "params.focl", "params.lr.float", "sampler", "trials", "what"]
    assert sorted(line.split(": ")[1] for line in lines) == wanted
    assert all(line.startswith("s.yaml: ") for line in lines)


def test_a_named_signature_that_cannot_see_is_an_error_unless_it_is_off(folder: Path) -> None:
    (folder / "blind.py").write_text(TRAINER.replace('"grad_norm", ', ""))
    text = (BASE + PARAMS).replace("toy.py", "blind.py")
    assert "signatures.nothing_trains: needs grad_norm" in refusal(folder, text + "signatures: {nothing_trains: warn}")
    assert "nothing_trains" not in load(folder, text + "signatures: {nothing_trains: off}").signatures


def test_a_space_that_is_nowhere_names_the_nearest() -> None:
    with pytest.raises(SpaceError, match="there is no space 'focal_alpa'; did you mean 'focal_alpha'"):
        space.load("focal_alpa")
    with pytest.raises(SpaceError, match=r"there is no file 'no/warmpu.yaml'; did you mean 'warmup'"):
        space.load("no/warmpu.yaml")


WORDS = [
    "question",
    "trainer",
    "objective",
    "epochs",
    "params",
    "lr",
    "float",
    "choice",
    "when",
    "metric",
    "points",
    "gates",
    "signatures",
]
WORDS += [
    "explosion",
    "early_stopping",
    "patience",
    "checkpoint",
    "revive",
    "int",
    "log",
    "step",
    "baselines",
    "values",
    "constraints",
    "sampler",
    "options",
    "timeout",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*WORDS, "toy.py", "tpe", "val/loss"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
COMMON = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=150
)


@COMMON
@given(rows=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=8), valid=st.booleans())
def test_any_mapping_is_a_space_or_a_space_error(folder: Path, rows: dict[str, Any], valid: bool) -> None:
    whole = {**yaml.safe_load(BASE + PARAMS), **rows} if valid else rows
    told = "s.yaml: "
    try:
        load(folder, yaml.safe_dump(whole, allow_unicode=True))
    except SpaceError as error:
        told = str(error)
    assert all(line.startswith("s.yaml: ") for line in told.splitlines())


@COMMON
@given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_space_or_a_space_error(folder: Path, data: bytes) -> None:
    (folder / "bytes.yaml").write_bytes(data)
    with pytest.raises(SpaceError):
        space.load(str(folder / "bytes.yaml"))


# Numbers


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_as_text(value: float) -> None:
    assert kinds.number(repr(value)) == value


@given(st.booleans() | st.none() | st.just(float("nan")) | st.just("nan") | st.just("1_0") | st.lists(st.integers()))
def test_what_is_no_number_is_none(value: Any) -> None:
    assert kinds.number(value) is None
    assert kinds.integer(value) is None


# What it means


@pytest.mark.parametrize(
    "extra",
    [
        "trials: 99",
        "timeout: 9h",
        "resources: {gpus: 0.5, cpus: 2}",
        "sampler: random",
        "points: [{lr: 1e-3}]",
        "stall: 9",
        "retries: 3",
        "pruner: median",
        "baselines: {b: {values: {val/loss: 1}}}",
        "revive: 5",
        "signatures: {nothing_trains: park, constant_prediction: prune}",
    ],
)
def test_what_does_not_touch_a_trial_leaves_the_meaning_alone(folder: Path, extra: str) -> None:
    plain = space.meaning(load(folder, BASE + PARAMS))
    assert space.meaning(load(folder, (BASE + PARAMS).replace("found", "sought") + extra)) == plain


def test_a_gate_that_parks_means_what_one_that_prunes_means(folder: Path) -> None:
    prunes, parks, warns = (
        space.meaning(load(folder, BASE + PARAMS + f"gates: [{{metric: val/loss, epoch: 1, at_most: 1, action: {action}}}]"))
        for action in ("prune", "park", "warn")
    )
    assert prunes == parks
    assert warns == space.meaning(load(folder, BASE + PARAMS))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("1e-1]", "1.0]", "params.lr.high: 0.1 -> 1.0"),
        ("gamma: 2.0", "gamma: 1.0", "params.focal.gamma: 2.0 -> 1.0"),
        ("[1, 1]", "[1, 2]", "params.focal.alpha.choice: [[0.5, 2.0], [1, 1]] -> [[0.5, 2.0], [1, 2]]"),
        ("epochs: 10", "epochs: 12", "epochs: 10 -> 12"),
        ("maximize}", "maximize, at: last}", 'objective.at: "best" -> "last"'),
        (", gamma: 2.0", "", "params.focal.gamma: 2.0 -> absent"),
        ("params:", "seeds: 3\nparams:", "seeds: 1 -> 3"),
        ("params:", "options: {batch_size: 8}\nparams:", "options.batch_size: absent -> 8"),
        ("params:", "constraints: [lr < 0.05]\nparams:", 'constraints: [] -> ["lr < 0.05"]'),
        ("params:", "early_stopping: {patience: 3}\nparams:", "early_stopping.patience: absent -> 3"),
        ("params:", "signatures: {explosion: {patience: 9}}\nparams:", "signatures.explosion.patience: absent -> 9"),
        ("params:", "signatures: {nothing_trains: warn}\nparams:", "signatures.nothing_trains.ends: absent -> false"),
        ("params:", "baselines: {b: {values: {val/loss: 1}, checkpoint: true}}\nparams:", "checkpoint.val/loss: absent -> 1.0"),
    ],
)
def test_what_touches_a_trial_is_shown_as_a_difference(folder: Path, old: str, new: str, line: str) -> None:
    before = space.meaning(load(folder, BASE + PARAMS))
    after = space.meaning(load(folder, (BASE + PARAMS).replace(old, new)))
    assert line in space.difference(json.loads(json.dumps(before)), after)
    assert space.difference(after, json.loads(json.dumps(after))) == []


@pytest.mark.parametrize(
    "name", ["..yaml", "...yaml", ".rates.yaml", "mlartifacts.yaml", "study.db.yaml", "a\tb.yaml", "x" * 240 + ".yaml"]
)
def test_a_space_whose_study_would_lie_outside_the_runs_or_on_something_else_there_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(PARAMS)
    with pytest.raises(SpaceError, match="cannot be the name of a study"):
        space.load(str(path))


# The direction of an objective


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        *(
            (name, "minimize")
            for name in ("val/loss", "valLoss", "val/WER", "val/cer", "top1_error", "rmse", "val/mae", "perplexity")
        ),
        *((name, "minimize") for name in ("brier_score", "negative_log_likelihood", "val/loss_mean", "false_positive_rate")),
        *(
            (name, "maximize")
            for name in ("val/accuracy", "val/macro_f1", "bbox_mAP_50", "val/AUC", "bleu4", "ep_rew_mean", "val/score")
        ),
        *((name, "maximize") for name in ("neg_mean_squared_error", "val/precision_neg", "acc_per_class", "recall@5")),
    ],
)
def test_a_direction_follows_the_name_of_the_metric_unless_the_space_says_otherwise(folder: Path, metric: str, goal: str) -> None:
    text = (BASE + PARAMS).replace("toy.py", "silent.py").replace("val/macro_f1, goal: maximize", metric)
    assert load(folder, text).objective.goal == goal
    other = {"minimize": "maximize", "maximize": "minimize"}[goal]
    assert load(folder, text.replace(metric, f"{metric}, goal: {other}")).objective.goal == other


def test_a_metric_whose_name_tells_no_direction_needs_a_goal(folder: Path) -> None:
    text = (BASE + PARAMS).replace("toy.py", "silent.py").replace("val/macro_f1, goal: maximize", "val/depth")
    assert refusal(folder, text) == (
        "s.yaml: objective.goal: is missing, and the name 'val/depth' does not tell it; it takes one of maximize, minimize"
    )


def test_early_stopping_of_another_metric_goes_by_its_name(folder: Path) -> None:
    found = load(folder, BASE + PARAMS + "early_stopping: {patience: 3, metric: val/loss}")
    assert found.early_stopping == {"patience": 3, "min_delta": 0.0, "metric": "val/loss", "maximize": False}


def test_a_choice_of_on_and_off_is_text_and_a_switch_of_the_trainer_says_how_it_is_written(folder: Path) -> None:
    (folder / "switch.py").write_text('PARAMS = {"amp": False}\ndef train(params, context):\n    yield\n')
    text = BASE + "params: {amp: {choice: [on, off]}}"
    assert load(folder, text.replace("toy.py", "silent.py")).leaves[0].distribution == CategoricalDistribution(["on", "off"])
    assert refusal(folder, text.replace("toy.py", "switch.py")).splitlines() == [
        "s.yaml: params.amp.choice[0]: 'on' is not allowed; it takes true or false, such as false; write true",
        "s.yaml: params.amp.choice[1]: 'off' is not allowed; it takes true or false, such as false; write false",
    ]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("{command: python train.py}", "options.command: 'python train.py' is not allowed; it takes a list"),
        ("{command: [x], env: [A=1]}", r"options.env: ..A=1.. is not allowed; it takes a mapping"),
        ("{command: [x], cwd: [a]}", "options.cwd: .* is not allowed; it takes text"),
        ("{command: [x], grace: long}", "options.grace: 'long' is not allowed; it takes a number, such as 10.0"),
        ("{command: [x], metrics: stdout}", "options.metrics: 'stdout' is not allowed; it takes a list"),
    ],
)
def test_an_option_of_a_command_of_the_wrong_kind_is_refused(folder: Path, options: str, wanted: str) -> None:
    text = BASE.replace("toy.py", "command") + f"params: {{x: {{int: [1, 2]}}}}\noptions: {options}"
    assert re.search(wanted, refusal(folder, text))
