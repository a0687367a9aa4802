"""What metrics mean by their names, and that no training is judged by what is not understood."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from curves import curve
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.adapters.monitor import Watch
from pitprop.detection import detect, levels, metrics, reading
from pitprop.detection.detect import Signature, replay
from pitprop.detection.facts import Facts, Peer
from pitprop.logs.assumptions import Given
from pitprop.logs.diagnosis import Diagnosis, diagnose
from pitprop.telemetry import Telemetry
from test_diagnose import run

Column = Callable[[int, random.Random], float]


@pytest.mark.parametrize(
    ("family", "maximize", "names"),
    [
        ("loss", False, "val/loss train/total_loss val/ppl bits_per_byte train/xent val/cross_entropy box_om loss_per_token"),
        ("error", False, "val/wer val/CER val/per class_error top1_err val/mae test_RMSE fid LPIPS error_rate mpjpe"),
        ("score", True, "val/accuracy bbox_mAP_50 val/m_ap50_95_b val/bleu chrF dice_score mIoU val/m_io_u psnr R2"),
        ("score", True, "val/f1 recall@5 roc_auc clip_score nDCG val/uas spearmanr mcc"),
        ("reward", True, "rollout/ep_rew_mean eval/mean_return reward success_rate"),
        ("time", None, "val/eta_seconds eval_runtime samples_per_second step_time epoch/time"),
        ("counter", None, "num_tokens rollout/ep_len_mean total_timesteps n_updates"),
        ("place", None, "epoch train/batch global_step iter"),
        ("rate", None, "lr learning_rate lr/pg0"),
        ("setting", None, "alpha loss_weight temperature weight_decay ent_coef"),
        ("state", None, "grad_norm reward_std val/nbformat gpu_mem val/predicted/0 rewards/chosen clip_fraction"),
        ("", None, "foo val/quality bar"),
    ],
)
def test_a_name_tells_the_family_and_the_direction(family: str, maximize: bool | None, names: str) -> None:
    for name in names.split():
        found = metrics.of(name)
        assert (found.family, found.maximize) == (family, maximize) or family == "time", name
        assert found.family == family, name
        assert found.objective == (family in metrics.OBJECTIVES), name


@pytest.mark.parametrize(
    ("metric", "values", "percent"),
    [
        ("val/wer", [45.0, 30.0, 24.0], True),
        ("val/wer", [3.2, 1.1, 0.4, 0.2, 0.2], False),
        ("val/wer", [99.0, 12.0, 1.4, 1.2, 1.1, 1.0, 0.9], True),
        ("val/accuracy", [0.1, 0.4, 1.2, 2.4], True),
        ("val/accuracy", [0.1, 0.4, 98.3], False),
        ("val/accuracy", [0.1, 98.3, 0.3, 0.4], False),
        ("val/accuracy", [0.1, 1.04, 0.3, 0.4], False),
        ("val/accuracy", [96.0, 97.0, 98.0, 0.981, 0.982], False),
        ("val/f1", [0.0, 0.0, 0.0, 0.0, 12.0, 30.0], True),
        ("val/accuracy", [0.1, 0.4, 1.0], False),
        ("val/class_error", [80.0, 26.0], True),
        ("val/r2", [-12.0, 0.4], False),
        ("val/spearmanr", [2.0, 88.0], True),
        ("val/loss", [45.0, 24.0], False),
        ("val/psnr", [18.0, 32.0], False),
    ],
)
def test_percent_is_told_from_shares_by_the_metric_and_its_whole_curve(metric: str, values: list[float], percent: bool) -> None:
    assert metrics.percent(metric, values) is percent


def test_the_chance_and_the_bands_of_a_score_in_percent_are_in_percent() -> None:
    facts = Facts(40, "val/accuracy", labels={"0": 600, "1": 400})
    shares, percent = curve(40, val__accuracy=lambda t: 0.6 + 0.01 * t), curve(40, val__accuracy=lambda t: 60.0 + t)
    assert levels.score(shares, facts) == pytest.approx(0.6)
    assert levels.score(percent, facts) == pytest.approx(60)
    bounds = levels.bound(shares, facts), levels.bound(percent, facts)
    assert None not in bounds
    assert bounds[1] == pytest.approx(100 * (bounds[0] or 0))


@pytest.mark.parametrize("odd", [1.04, 25.0, 98.3])
@pytest.mark.parametrize("at", [1, 3, 14])
def test_one_odd_reading_or_one_odd_trial_changes_the_unit_of_no_healthy_trial(odd: float, at: int) -> None:
    def rising(rate: float) -> Telemetry:
        return curve(40, val__loss=lambda t: 2.3 * 0.97**t, val__accuracy=lambda t: 0.1 + rate * t)

    glitch = curve(40, val__loss=lambda t: 2.3 * 0.97**t, val__accuracy=lambda t: odd if t == at else 0.1 + 0.014 * t)
    percent = curve(40, val__loss=lambda t: 2.3 * 0.97**t, val__accuracy=lambda t: 10 + 1.4 * t)
    others = [rising(0.01), rising(0.012), rising(0.014)]
    facts = Facts(40, "val/accuracy", classes=10)
    for strange in (glitch, percent):
        known = replace(facts, peers=[Peer(number, {}, one) for number, one in enumerate([strange, *others])])
        for one in (*others, strange):
            assert [found for found in replay(one, known, detect.defaults()) if found.ends] == []
    assert reading.unit(glitch, replace(facts, range=(0, 1))) == 1
    assert reading.unit(others[0], replace(facts, range=(0, 100))) == 100


def test_the_end_of_a_scale_that_nobody_reaches_is_what_the_study_has_seen() -> None:
    facts, low = Facts(40, "val/bleu"), curve(10, val__bleu=0.4)
    assert levels.bound(low, facts) == pytest.approx(0.02 * 0.4)
    peer = Peer(0, {}, curve(10, val__bleu=31.0))
    assert levels.bound(low, replace(facts, peers=(peer,))) == pytest.approx(0.02 * 31)
    assert levels.bound(low, replace(facts, range=(0.0, 100.0))) == pytest.approx(2)


def test_the_swings_of_a_loss_and_of_a_reward_are_no_oscillation_of_a_share() -> None:
    swing = [Signature("oscillation")]
    wild = {"val__accuracy": lambda t: 0.5 + 0.1 * (t % 2), "val__loss": lambda t: 8.0 + 0.1 * (t % 2)}
    assert replay(curve(20, **wild), Facts(20, "val/accuracy"), swing)
    assert not replay(curve(20, **wild), Facts(20, "val/loss", maximize=False), swing)
    assert not replay(curve(20, reward=lambda t: 100.0 * (t % 2)), Facts(20, "reward"), swing)


def test_the_losses_of_a_policy_say_nothing_where_a_reward_is_the_objective() -> None:
    epochs = curve(
        30, val__loss=lambda t: 1.0 * t**3, train__loss=lambda t: 1.0 * t**3, chance__loss=0.7, reward=lambda t: 1.0 * t
    )
    assert replay(epochs, Facts(30, "reward"), detect.defaults()) == []
    assert replay(epochs, Facts(30, "val/loss", maximize=False), detect.defaults()) != []


def test_an_adapter_asks_for_the_direction_that_a_name_does_not_tell() -> None:
    with pytest.raises(ValueError, match="does not tell whether more of it is better: say maximize"):
        Watch(20, "val/quality").see(1, {"val/quality": 0.3, "val/loss": 1.0})
    assert Watch(20, "val/quality", maximize=False).see(1, {"val/quality": 0.3, "val/loss": 1.0}) is None


@pytest.mark.parametrize("facts", [{"labels": {str(k): 40 for k in range(10)}}, {}], ids=["labels", "accuracy"])
def test_an_adapter_knows_that_a_loss_at_ln_10_is_chance(facts: Mapping[str, Mapping[str, int]]) -> None:
    watch = Watch(20, "val_loss" if facts else "val_accuracy", **facts)
    readings = {"train_loss": 2.3026, "val_loss": 2.3026, "val_accuracy": 0.1}
    found = next(filter(None, (watch.see(step, readings) for step in range(1, 21))))
    assert (found.signature, found.step) == ("hopelessly_slow", 5)


# Whole logs


def towards(start: float, end: float, rate: float = 0.15, noise: float = 0.01) -> Column:
    return lambda t, r: end - (end - start) * math.exp(-rate * (t - 1)) + r.gauss(0, noise * abs(end - start))


def flat(value: float, noise: float = 0.0) -> Column:
    return lambda _, r: value + r.gauss(0, noise)


def until(epoch: int, before: float, then: float = math.nan) -> Column:
    return lambda t, _: before if t < epoch else then


def log(path: Path, columns: Mapping[str, Column], length: int = 30, first: int = 1, scale: float = 1, ends: str = "\n") -> Path:
    """A table of ``length`` epochs from ``first`` on; of columns whose names end in ``%`` by ``scale``."""
    chance = random.Random(str(sorted(columns)))
    rows = [["epoch", *(name.rstrip("%") for name in columns)]]
    for t in range(1, length + 1):
        values = (read(t, chance) * (scale if name.endswith("%") else 1) for name, read in columns.items())
        rows.append([str(first + t - 1), *(f"{value:.6g}" for value in values)])
    path.write_text(ends.join(map(",".join, rows)) + ends, newline="")
    return path


def answer(found: Diagnosis) -> str:
    return "dead" if found.dead else "alive" if found.alive else "cannot judge"


def waits(t: int, _: random.Random) -> float:
    return 2.95 + 5 * math.exp(-t / 2) if t < 12 else 0.5 + 2.45 * math.exp((12 - t) / 4)


LEARNS = {"train_loss": towards(5, 1), "val_loss": towards(5, 1.3)}
HEALTHY: Mapping[str, tuple[str, Mapping[str, Column]]] = {
    "BLEU": ("val/bleu", {**LEARNS, "val_bleu%": towards(0.003, 0.31)}),
    "mAP": ("val/map", {**LEARNS, "val_map": towards(0.001, 0.055)}),
    "WER": ("val/wer", {**LEARNS, "val_wer%": towards(1, 0.08)}),
    "class error": ("val/class_error", {**LEARNS, "val_class_error%": towards(0.99, 0.24)}),
    "top 1": ("val/top1", {**LEARNS, "val_acc1%": towards(0.001, 0.7), "val_acc5%": towards(0.005, 0.9)}),
    "PSNR": ("val/psnr", {"train_loss": towards(0.1, 0.01), "val_psnr": towards(18, 32)}),
    "perplexity": ("val/ppl", {"train_loss": towards(9, 4), "val_ppl": towards(800, 60)}),
    "MAE": ("val/mae", {"train_loss": towards(30, 4), "val_mae": towards(5, 1.6)}),
    "R2": ("val/r2", {**LEARNS, "val_r2": towards(-3, 0.8)}),
    "Spearman": ("val/spearmanr", {**LEARNS, "val_spearmanr%": towards(0.02, 0.88)}),
    "F1, not precision": ("val/f1", {**LEARNS, "val_precision": towards(0.1, 0.9), "val_f1": towards(0.1, 0.7)}),
    "return": ("train/ep_rew_mean", {"policy_loss": flat(0.01, 0.01), "ep_rew_mean": towards(-200, 150)}),
    "FID of a GAN": ("val/fid", {"g_loss": towards(1, 3), "d_loss": towards(1, 0.4), "val_fid": towards(200, 12)}),
    "loss, not speed": ("val/loss", {"val_loss": towards(3, 1), "val_samples_per_second": towards(10, 100)}),
    "CTC that waits": ("val/wer", {"val_loss": waits, "val_wer": until(12, 1, 0.5)}),
}
DEAD: Mapping[str, Mapping[str, Column]] = {
    "ln 100": {"train_loss": flat(4.605, 1e-3), "val_loss": flat(4.6055, 8e-4), "val_acc%": flat(0.01, 4e-4)},
    "WER of 1": {"train_loss": flat(3, 3e-3), "val_loss": flat(3.02, 2e-3), "val_wer%": flat(1)},
    "nothing detected": {"train_loss": flat(0.7, 1e-3), "val_loss": flat(0.7, 1e-3), "val_dice": flat(0), "val_map": flat(0)},
    "AUC of one half": {"train_loss": flat(0.6931, 5e-4), "val_loss": flat(0.6932, 4e-4), "val_auc": flat(0.5, 4e-3)},
    "NaN": {"train_loss": until(9, 4.5), "val_ppl": until(9, 90)},
    "only positives": {**LEARNS, "val_loss": flat(0.62, 1e-3), "val_accuracy": flat(0.6912), "val_f1": flat(0.8174)},
    "diverged": {"train_loss": flat(900, 50), "val_loss": flat(850, 90), "val_acc": flat(0.1, 2e-3)},
    "NaN in a GAN": {"g_loss": flat(1, 0.1), "d_loss": until(9, 0.5)},
}
OPEN: Mapping[str, tuple[str, Mapping[str, Column]]] = {
    "unknown names": ("--metric NAME with --goal", {"foo": towards(1, 9), "bar": flat(3, 0.1)}),
    "GAN": ("FID", {"G_loss": flat(1, 0.1), "D_loss": flat(0.5, 0.1)}),
    "policy": ("no return or reward", {"policy_loss": flat(0.01, 0.01), "value_loss": flat(3, 0.3)}),
    "return that stands": ("untrained policy", {"policy_loss": flat(0.01, 0.01), "ep_rew_mean": flat(-200, 2)}),
    "times": ("--metric", {"val_eta_seconds": towards(9000, 1), "val_alpha": flat(0.1), "train_batch": flat(3, 1)}),
    "good from the start": ("--class-counts", {"val_loss": flat(0.35, 5e-3), "val_acc": flat(0.93, 2e-3)}),
}


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_log_is_judged_by_what_it_is_for_in_shares_and_in_percent(name: str, scale: float, tmp_path: Path) -> None:
    metric, columns = HEALTHY[name]
    found = diagnose([log(tmp_path / "log.csv", columns, scale=scale)])
    assert (found.facts.metric, answer(found)) == (metric, "alive")
    assert found.best is not None
    assert found.best[0] > 11, "the best is not its beginning"
    assert not [verdict.signature for verdict in found.verdicts if verdict.signature != "oscillation"]


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(HEALTHY)),
    length=st.integers(1, 29),
    ends=st.sampled_from(["\n", "\r\n"]),
    scale=st.sampled_from([1, 100]),
    planned=st.booleans(),
)
def test_a_healthy_log_that_is_cut_anywhere_is_never_dead(name: str, length: int, ends: str, scale: float, planned: bool) -> None:
    with TemporaryDirectory() as folder:
        path = log(Path(folder) / "log.csv", HEALTHY[name][1], length, scale=scale, ends=ends)
        found = diagnose([path], Given(epochs=30 if planned else None))
    assert not found.dead, found.ended


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("name", DEAD)
def test_a_dead_log_is_dead_in_shares_and_in_percent(name: str, scale: float, tmp_path: Path) -> None:
    assert answer(diagnose([log(tmp_path / "log.csv", DEAD[name], scale=scale)])) == "dead"


@pytest.mark.parametrize("name", OPEN)
def test_what_is_not_understood_cannot_be_judged_and_says_what_to_tell(name: str, tmp_path: Path) -> None:
    words, columns = OPEN[name]
    found = diagnose([log(tmp_path / "log.csv", columns)])
    assert answer(found) == "cannot judge"
    assert words in str(found.unjudged)
    assert not [verdict for verdict in found.verdicts if verdict.ends]


def test_an_unknown_metric_is_judged_only_with_its_direction(tmp_path: Path) -> None:
    path = log(tmp_path / "log.csv", {"val_quality": towards(0.1, 0.9), "train_loss": towards(3, 1)})
    assert answer(diagnose([path], Given("val/quality"))) == "cannot judge"
    assert answer(diagnose([path], Given("val/quality", maximize=True))) == "alive"


@pytest.mark.parametrize(("first", "end"), [(1, "dead"), (20, "cannot judge")])
def test_the_start_of_a_log_that_begins_late_is_not_chance(first: int, end: str, tmp_path: Path) -> None:
    plateau = {"train_loss": flat(2.3, 0.01), "val_perplexity": flat(9.4, 0.02)}
    found = diagnose([log(tmp_path / "log.csv", plateau, first=first)], Given(epochs=first + 40))
    assert answer(found) == end
    assert "its log begins at epoch 20" in str(found.unjudged) or first == 1


def test_a_step_of_140000_is_not_the_first_and_a_tenth_step_is_not_the_last(tmp_path: Path) -> None:
    path, losses = tmp_path / "train.log", [11.02 + 0.01 * math.sin(7 * n) for n in range(1, 60)]
    path.write_text("".join(f"step {140000 + 10 * n} loss {loss}\n" for n, loss in enumerate(losses)))
    assert "begins at step 140000" in str(diagnose([path]).unjudged)
    path.write_text("".join(f"step {n} loss {loss}\n" for n, loss in enumerate(losses[:10], 1)))
    assert "10 steps of training are too few" in str(diagnose([path]).unjudged)
    path.write_text("".join(f"step {100 * n} loss {loss}\n" for n, loss in enumerate(losses, 1)))
    assert "guesses" in str(diagnose([path]).unjudged)
    assert diagnose([path], Given(epochs=59)).dead
    assert diagnose([path], Given(chance_loss=11.0)).dead


@pytest.mark.parametrize("place", ["Iter [{}/80000]", "[{}/80000]", "step:{}/80000", "Step {}/80000;"])
def test_a_line_that_counts_towards_a_total_gives_the_budget(place: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("".join(f"{place.format(50 * n)} loss: {1.88 + 0.02 * (n % 3):.3f}\n" for n in range(1, 13)))
    found = diagnose([path])
    assert (found.facts.budget, answer(found)) == (1600, "alive")


def test_endless_epochs_are_no_budget(tmp_path: Path) -> None:
    rows = [{"epoch": n / 2, "step": 100 * n, "eval_loss": 0.6931, "eval_accuracy": 0.5, "eval_f1": 0.0} for n in range(1, 13)]
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"num_train_epochs": sys.maxsize, "max_steps": 1200, "log_history": rows}))
    found = diagnose([path])
    assert (found.facts.budget, answer(found)) == (12, "dead")
    assert "no_positives" in {verdict.signature for verdict in found.verdicts}


def test_nan_counts_where_it_matters_and_not_where_a_score_is_undefined(tmp_path: Path) -> None:
    gone, lives = until(9, 1), {**LEARNS, "val_acc": towards(0.1, 0.8)}
    for name, end in (("val_precision", "alive"), ("val_auc", "alive"), ("train_mask_loss", "alive"), ("grad_norm", "alive")):
        assert answer(diagnose([log(tmp_path / "log.csv", {**lives, name: gone})])) == end, name
    stands = {"train_loss": flat(2.3, 0.02), "val_acc": towards(0.1, 0.2)}
    assert diagnose([log(tmp_path / "log.csv", {**stands, "grad_norm": gone})]).dead
    detector = {"train_box_loss": towards(2, 1), "val_box_loss": gone, "val_cls_loss": gone, "val_map": towards(0.1, 0.4)}
    assert diagnose([log(tmp_path / "log.csv", detector)]).dead
    assert not diagnose([log(tmp_path / "log.csv", {"train_loss": towards(12, 3), "val_ppl": until(4, math.inf, 90)})]).dead


def test_a_log_that_ends_in_nan_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("Epoch 1: Loss 3.54\nEpoch 2: Loss 12.34\nEpoch 3: Loss NaN\n")
    found = diagnose([path])
    assert found.ended is not None
    assert (found.ended.signature, found.ended.reason) == ("non_finite", "training loss is nan at epoch 3")


def test_a_score_that_is_the_same_to_the_last_digit_is_told_and_a_perfect_one_is_not(tmp_path: Path) -> None:
    for score, told in ((flat(0.3719), True), (lambda t, _: min(1.0, 0.5 + 0.1 * t), False), (until(9, 0.2, 0.7), True)):
        found = diagnose([log(tmp_path / "log.csv", {**LEARNS, "val_acc": score})])
        assert ("unchanged_score" in {verdict.signature for verdict in found.verdicts}) is told
        assert not found.dead


def test_nothing_detected_is_told_while_the_loss_falls_and_is_the_end_of_a_training_that_is_over(tmp_path: Path) -> None:
    path = log(tmp_path / "log.csv", {"val_loss": towards(2, 1, 0.05, 0), "val_dice": flat(0)})
    found = diagnose([path])
    assert answer(found) == "cannot judge"
    assert "no_positives" in {verdict.signature for verdict in found.verdicts}
    assert diagnose([path], Given(epochs=30)).dead
    assert not diagnose([path], Given(epochs=60)).dead


def test_one_class_so_far_is_a_warning_before_the_grace_is_over(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    lines = (
        "Epoch {} - Prediction distribution: {{0: 900}}\nEpoch {} - Label distribution: {{0: 696, 1: 204}}\nf1_macro: 0.4361\n"
    )
    path.write_text("".join(lines.format(n, n) for n in range(1, 7)))
    found = diagnose([path], Given(epochs=20))
    assert answer(found) == "cannot judge"  # it may still leave chance
    assert [verdict.signature for verdict in found.verdicts] == ["constant_prediction"]


def test_a_loss_that_rose_is_not_said_to_have_fallen(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("".join(f"Epoch {n}/5 - loss: {0.6919 + 0.0003 * n:.4f}\n" for n in range(1, 6)))
    found = diagnose([path])
    assert found.dead
    assert not any("fell" in verdict.reason for verdict in found.verdicts)


def test_the_exit_code_tells_dead_from_what_cannot_be_judged_or_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alive = str(log(tmp_path / "alive.csv", LEARNS))
    dead = str(log(tmp_path / "dead.csv", DEAD["WER of 1"]))
    gan = str(log(tmp_path / "gan.csv", OPEN["GAN"][1]))
    empty = tmp_path / "empty.log"
    empty.write_text("")
    assert [run(capsys, path)[0] for path in (alive, dead, gan, str(empty), "nowhere")] == [0, 1, 2, 2, 2]
    assert [run(capsys, *paths)[0] for paths in ((alive, gan), (alive, dead, gan))] == [2, 1]
    assert run(capsys, gan)[1].startswith("cannot judge gan.csv: the losses of a GAN")
    assert "3 trainings, 1 dead, 1 that cannot be judged" in run(capsys, alive, dead, gan)[1]
    told = json.loads(run(capsys, gan, "--json")[1])["trainings"][0]
    assert (told["answer"], told["dead"], told["best"]) == ("cannot judge", False, None)


MAIN = "import sys; from pitprop.cli.main import main; sys.exit(main())"


def test_a_closed_pipe_changes_no_exit_code(tmp_path: Path) -> None:
    for name, columns, code in (("alive", LEARNS, 0), ("dead", DEAD["WER of 1"], 1)):
        path = log(tmp_path / f"{name}.csv", columns)
        command = [sys.executable, "-c", MAIN, "diagnose", str(path), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == b""
            assert process.wait() == code


@pytest.mark.parametrize(
    "line",
    [
        "loaded weights from /x/pre.pth",
        "Some weights of BertForSequenceClassification were not initialized from the model checkpoint at bert-base",
        "load_from: checkpoints/slowfast.pth",
        "fine-tuning from runs/1",
        "Restored from last.ckpt",
        "init_from=gpt2",
        "Initializing from OpenAI GPT-2 weights: gpt2",
        "Model initialized from imagenet",
        "=> loading checkpoint 'x.pth'",
    ],
)
def test_a_training_that_began_from_a_checkpoint_is_not_dead_where_it_began(line: str, tmp_path: Path) -> None:
    rows = "".join(f"Epoch {n}/20 loss 0.90{n % 3} val_loss 0.93{n % 2}\n" for n in range(1, 21))
    (tmp_path / "tuned.log").write_text(f"{line}\n{rows}")
    assert answer(diagnose([tmp_path / "tuned.log"])) == "cannot judge"


@pytest.mark.parametrize(
    "line", ["Loading data from /x/train.bin", "load_from: null", "init_from=scratch", "Initializing from scratch"]
)
def test_what_is_loaded_beside_the_model_makes_no_fine_tuning(line: str, tmp_path: Path) -> None:
    rows = "".join(f"Epoch {n}/20 loss 0.90{n % 3} val_loss 0.93{n % 2}\n" for n in range(1, 21))
    (tmp_path / "plain.log").write_text(f"{line}\n{rows}")
    assert answer(diagnose([tmp_path / "plain.log"])) == "dead"


@pytest.mark.parametrize(
    "rows",
    [
        ["Epoch 1 val_loss 2.3026 val_acc 0.1"],
        ["Epoch 1 val_loss 2.3026 val_acc 0.1", "Epoch 2 val_loss 2.3026 val_acc 0.1"],
        [f"Epoch {n} val_auc 0.5{n % 2}" for n in range(1, 21)],
        [f"Epoch {n} val_wer {100 - n % 2}.0" for n in range(1, 41)],
    ],
)
def test_a_training_that_has_shown_nothing_is_not_said_to_be_alive(rows: list[str], tmp_path: Path) -> None:
    (tmp_path / "still.log").write_text("\n".join(rows) + "\n")
    assert answer(diagnose([tmp_path / "still.log"])) != "alive"
