"""`pitprop diagnose`: what is said of trainings by their logs alone."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.cli import main
from pitprop.errors import UserError
from pitprop.logs.assumptions import Given
from pitprop.logs.diagnosis import Diagnosis, diagnose
from pitprop.logs.sources import trainings
from pitprop.views import chart

LOGS = Path(__file__).parent / "logs"
FATES = {
    "nanogpt_lr_3e-3.log": None,
    "nanogpt_lr_1.0.log": None,
    "nanogpt_lr_1e-7.log": "hopelessly_slow",
    "nanogpt_lr_30.0.log": "non_finite",
    "lightning_lr_1e-3.csv": None,
    "lightning_lr_1e-9.csv": "chance_plateau",
    "lightning_lr_1e6.csv": "chance_plateau",
    "mmengine_healthy": None,
    "mmengine_diverged": "non_finite",
}


def of(name: str, given: Given | None = None) -> Diagnosis:
    ((_, files),) = trainings(LOGS / name).items()
    return diagnose(files, given)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main.main(["diagnose", *arguments])
    captured = capsys.readouterr()
    return code, " ".join((captured.out + captured.err).split())


def written(folder: Path, scores: Sequence[float], name: str = "train.log", more: str = "") -> Path:
    path = folder / name
    path.write_text("".join(f"Epoch {n} val_macro_f1: {score}{more}\n" for n, score in enumerate(scores, 1)))
    return path


@pytest.mark.parametrize(("name", "signature"), FATES.items())
def test_genuine_logs_are_judged_rightly(name: str, signature: str | None) -> None:
    found = of(name)
    assert (found.ended.signature if found.ended else None) == signature
    assert found.dead or not any(verdict.ends for verdict in found.verdicts)


@pytest.mark.parametrize("file", ["run.log", "scalars.json"])
@pytest.mark.parametrize(("training", "dead"), [("healthy", False), ("diverged", True)])
def test_each_log_of_a_training_tells_the_same(file: str, training: str, dead: bool) -> None:
    assert diagnose([LOGS / f"mmengine_{training}" / file]).dead is dead


def test_a_verdict_comes_with_the_epoch_at_which_it_could_be_known_and_a_remedy() -> None:
    ended = of("mmengine_diverged").ended
    assert ended is not None
    assert ended.step == 2
    assert ended.remedy


def test_budget_and_chance_are_read_off_the_log() -> None:
    found = of("nanogpt_lr_1e-7.log")
    assert (found.facts.budget, found.chance_loss) == (6, math.log(65))
    assert of("mmengine_healthy").facts.budget == 8
    assert of("nanogpt_lr_1e-7.log", Given(epochs=100)).facts.budget == 100


@pytest.mark.parametrize(
    ("line", "facts", "level"),
    [
        ("Epoch {epoch}: train_loss 4.2 val_ppl {ppl:.2f}", {"classes": 65}, 65.0),
        ("Epoch {epoch}: train_loss 4.2 val_psnr {ppl:.2f}", {"chance_score": 64.0}, 64.0),
        ("Epoch {epoch}: train_loss 4.2 val_acc {ppl:.2f}%", {"chance_score": 70.0}, 0.7),
    ],
)
def test_the_chance_of_an_objective_follows_from_the_classes_or_is_stated(
    tmp_path: Path, line: str, facts: dict[str, Any], level: float
) -> None:
    log = tmp_path / "train.log"
    log.write_text("\n".join(line.format(epoch=n, ppl=64.9 + 0.01 * (n % 3)) for n in range(1, 21)))
    found = diagnose([log], Given(epochs=20, **facts))
    assert found.chance == pytest.approx(level)


def test_what_was_not_watched_is_said() -> None:
    assert "constant_prediction" in of("nanogpt_lr_3e-3.log").unwatched
    assert "non_finite" not in of("nanogpt_lr_3e-3.log").unwatched


def test_a_training_that_came_back_is_alive(tmp_path: Path) -> None:
    scores = [0.4361] * 15 + [0.45 + 0.01 * n for n in range(10)]
    found = diagnose([written(tmp_path, scores)], Given(labels={"0": 696, "1": 204}))
    assert [verdict.signature for verdict in found.verdicts if verdict.ends] == []
    blind = diagnose([written(tmp_path, [0.4361] * 19 + [0.55] * 6)], Given(labels={"0": 696, "1": 204}))
    assert [verdict.signature for verdict in blind.verdicts if verdict.ends] == ["constant_prediction"]
    assert not blind.dead


def test_percent_is_brought_to_shares(tmp_path: Path) -> None:
    found = diagnose([written(tmp_path, [43.61, 45.0, 55.0])])
    assert found.best == (3, pytest.approx(0.55))


def test_a_fine_tuned_model_that_gains_little_is_not_held_to_be_at_chance(tmp_path: Path) -> None:
    history = [
        row for n in range(1, 31) for row in ({"loss": 2.10 - n / 500, "step": n}, {"eval_loss": 2.1 - n / 600, "step": n})
    ]
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": history}))
    assert not diagnose([path]).dead


def test_facts_that_a_log_lacks_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "loss.csv"
    path.write_text("epoch,loss\n" + "".join(f"{n},{3.434 + n % 3 / 1e4}\n" for n in range(1, 21)))
    code, out = run(capsys, str(path), "--loss", "supcon", "--batch", "32")
    assert code == 1
    assert out.startswith("dead loss.csv: contrastive_collapse; could have been known at epoch 5 of 20")
    assert "ln(32 - 1) = 3.4340" in out


@pytest.mark.parametrize(("name", "signature"), FATES.items())
def test_the_answer_comes_first_and_the_exit_code_tells_the_dead(
    name: str, signature: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = run(capsys, str(LOGS / name))
    assert code == (signature is not None)
    assert out.startswith(f"dead {name}: {signature}; could have been known at" if signature else f"alive {name}: ")
    assert "inactive checks, since the log does not report what they read:" in out


def test_a_folder_of_trainings_is_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, str(LOGS))
    assert code == 1
    assert out.startswith("9 trainings, 5 dead")
    code, _ = run(capsys, *(str(LOGS / name) for name, signature in FATES.items() if signature is None), "--compare")
    assert code == 0


def test_attempts_are_held_against_a_baseline_and_gates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "Epoch(val) [1][17/17]  acc/RGBPose_1:1_top1: {}  acc/rgb_top1: 0.8756  acc/pose_top1: {}\n"
    for name, scores in (("attempt_2", (0.8832, 0.8201)), ("attempt_3", (0.8669, 0.7666))):
        (tmp_path / f"{name}.log").write_text(line.format(*scores))
    flags = ["--name", "acc/RGBPose_1:1_top1=val/top1", "--baseline", "val/top1=0.8919,val/pose/top1=0.825", "--epochs", "30"]
    flags += ["--gate", "val/top1@1>=0.87", "--gate", "val/pose/top1@1>=0.80"]
    _, out = run(capsys, str(tmp_path / "attempt_3.log"), *flags)
    for words in (
        "branch_drop at epoch 1: val/pose/top1 0.7666",
        "the gate asks for at least 0.87",
        "behind the baseline (0.8919) by 0.0250",
        "val/pose/top1 0.7666 there, the baseline 0.825: -0.0584",
    ):
        assert words in out
    _, out = run(capsys, str(tmp_path), *flags)
    assert "attempt_2.log alive 0.8832 1 0.8832 -0.0087 0.8201 passed" in out
    assert "attempt_3.log alive 0.8669 1 0.8669 -0.0250 0.7666 2 missed" in out
    _, out = run(capsys, str(tmp_path / "attempt_3.log"), *flags[:2], "--baseline", str(tmp_path / "attempt_2.log"))
    assert "behind the baseline (0.8832) by 0.0163" in out


def test_a_gate_that_is_missed_says_what_to_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, [0.5, 0.6, 0.7], more=" val_loss: 0.5")
    gates = ["--gate", "val/macro_f1@1>=0.55: lower the pose weight: to 1.0", "--gate", "val/macro_f1@3>=0.6: wait longer"]
    _, out = run(capsys, str(path), *gates)
    assert "the gate asks for at least 0.55 next lower the pose weight: to 1.0" in out
    assert "passed with 0.7" in out
    assert "wait longer" not in out
    _, out = run(capsys, str(path), "--compare", *gates)
    assert out.endswith("next for train.log: lower the pose weight: to 1.0")


def test_attempts_with_the_same_curve_are_told_that_what_was_changed_has_no_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rate in (("a", 0.9), ("b", 0.8), ("c", 0.9)):
        losses = "".join(
            f"epoch {n}: val macro_f1 {1 - rate**n:.6f}, val loss {rate**n:.6f}\n" for n in range(1, 12 if name < "c" else 9)
        )
        (tmp_path / f"{name}.log").write_text(losses)
    logs = [str(tmp_path / f"{name}.log") for name in "abc"]
    _, out = run(capsys, *logs, "--compare")
    assert "c.log: warnings of no_effect (the same curve as a.log in epochs 6-8, so that what was changed between them has" in out
    assert out.count("no_effect") == 1
    assert "next for c.log: check how the script reads what was changed" in out
    _, out = run(capsys, *logs, "--json")
    told = json.loads(out)["trainings"]
    assert [[verdict["signature"] for verdict in one["verdicts"]] for one in told] == [[], [], ["no_effect"]]
    assert "no_effect" not in run(capsys, *logs[:2])[1]


def test_json_is_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, str(LOGS), "--json")
    told = json.loads(out)["trainings"]
    assert code == 1
    assert {one["name"].split("/")[-1]: one["signature"] for one in told} == FATES
    one = next(one for one in told if one["name"].endswith("1e-7.log"))
    assert (one["known_at"], one["budget"], one["unit"], one["metric"]) == (5, 6, "evaluation", "val/loss")
    assert len(one["curve"]) == 6


def test_a_picture_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    run(capsys, str(LOGS / "nanogpt_lr_3e-3.log"), str(LOGS / "nanogpt_lr_30.0.log"), "--plot", str(tmp_path / "curves.png"))
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no file or folder nowhere"),
        ([str(LOGS / "README.md")], "no reading of a loss or a score is in it"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--metric", "val/acuracy"], "is not among the readings"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--format", "jsnl"], "did you mean 'jsonl'"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--gate", "val/loss>3"], "write metric@epoch>=bound"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--baseline", "0.5"], "say of what"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--baseline", "nowhere"], "no file or folder, and no numbers"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--loss", "clip"], "say --batch N too"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--name", "loss"], "write theirs=ours"),
        ([str(LOGS / "nanogpt_lr_1.0.log"), "--plot", "x.doc"], ".png, .svg and .pdf are known"),
    ],
)
def test_wrong_input_is_one_sentence(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, *arguments)
    assert code == 2
    assert out.startswith("pitprop: ")
    assert words in out


def test_a_folder_without_logs_says_so(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"\0")
    with pytest.raises(UserError, match="no log that can be read"):
        trainings(tmp_path)


@pytest.mark.parametrize(("other", "named"), [("val_loss", True), ("val_macro_f1", False)])
def test_a_comparison_names_the_objectives_where_they_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str, named: bool
) -> None:
    one, two = (written(tmp_path, [0.1, 0.2, 0.4], name) for name in ("one.log", "two.log"))
    two.write_text(two.read_text().replace("val_macro_f1", other))
    said = run(capsys, str(one), str(two))[1]
    assert ("objective" in said, "val/loss" in said) == (named, named)


def test_what_lies_inside_a_trainings_folder_is_its(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        (tmp_path / name / "20260101" / "vis_data").mkdir(parents=True)
        for file in ("run.log", "vis_data/scalars.json"):
            source = LOGS / ("mmengine_healthy", "mmengine_diverged")[number] / Path(file).name
            (tmp_path / name / "20260101" / file).write_bytes(source.read_bytes())
    found = trainings(tmp_path)
    assert {name: len(files) for name, files in found.items()} == {"a/20260101": 2, "b/20260101": 2}


@given(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=40), st.none() | st.floats(-1e9, 1e9), st.integers(2, 9))
def test_any_curve_can_be_drawn(values: list[float], level: float | None, height: int) -> None:
    drawn = chart.lines(list(enumerate(values, 1)), level, 2, 40, height)
    assert len(drawn) == height + 1
    assert len({len(line) for line in drawn[:-1]}) == 1


def test_a_log_of_very_many_epochs_is_judged_by_their_means(tmp_path: Path) -> None:
    found = diagnose([written(tmp_path, [0.1 + 0.0001 * n for n in range(2000)])], Given(epochs=4000))
    assert len(found.telemetry) == 500
    assert (found.unit, found.facts.budget) == ("mean of 4 epochs", 1000)
    assert found.best == (500, pytest.approx(0.29975, abs=1e-4))


def test_an_exit_code_of_1_means_dead_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.log").touch()
    (tmp_path / "model.bin").write_bytes(b"\0\0\1\2\0" * 100)
    for name, words in (("empty.log", "is empty"), ("model.bin", "no text"), ("none.log", "there is no file")):
        code, out = run(capsys, str(tmp_path / name))
        assert (code, words in out) == (2, True)


def test_a_closed_pipe_changes_no_exit_code() -> None:
    for name, code in (("nanogpt_lr_3e-3.log", 0), ("nanogpt_lr_30.0.log", 1)):
        command = [sys.executable, "-m", "pitprop.cli.main", "diagnose", str(LOGS / name)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == code


def test_two_trainings_of_one_file_name_are_called_by_their_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for version in ("version_0", "version_1"):
        (tmp_path / version).mkdir()
        paths.append(str(written(tmp_path / version, [0.5, 0.6])))
    _, out = run(capsys, *paths, "--compare")
    assert "version_0 alive" in out
    assert "version_1 alive" in out


def model(folder: Path, name: str, rows: Sequence[tuple[float, int, float, float]], setting: str = "") -> Path:
    """A log as the author of the imbalanced case prints it: macro F1, samples predicted as class 0, precision and recall."""
    lines = [setting]
    for epoch, (score, zeros, precision, recall) in enumerate(rows):
        counts = {0: zeros, 1: 900 - zeros} if zeros < 900 else {0: 900}
        lines += [f"Epoch {epoch} - Prediction distribution: {counts}", f"Epoch {epoch} - Label distribution: {{0: 696, 1: 204}}"]
        lines += [f"f1_macro_cli: {score}", f"precision_macro_cli: {precision}", f"recall_macro_cli: {recall}"]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_curve_that_rose_late_is_told_its_flat_start_its_precision_and_the_share_that_it_predicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(0.4361, 900, 0.3867, 0.5)] * 12 + [(0.4629, 887, 0.5, 0.5), (0.5494, 791, 0.5798, 0.5485), (0.5444, 701, 0.55, 0.54)]
    _, out = run(capsys, str(model(tmp_path, "model_1.log", rows)))
    assert "flat start: val/macro_f1 made less than a tenth of its gain in epochs 1-12" in out
    assert "majority collapse: predicted class 0 for all 900 validation samples in epochs" in out
    assert "; recovered at epoch 13" in out
    assert "at epoch 14, its best, precision 0.5798 and recall 0.5485 are 0.0313 apart" in out
    assert "at epoch 14, its best, class 0 is predicted 7.3 : 1 against all others, and occurs 3.4 : 1" in out
    _, steady = run(capsys, str(written(tmp_path, [0.4 + n / 50 for n in range(20)])))
    assert "flat start" not in steady
    other = [(0.1848, 0, 0.1133, 0.5)] * 5 + [(0.3401, 141, 0.5, 0.5), (0.505, 472, 0.53, 0.54), (0.5284, 505, 0.5484, 0.568)]
    _, reverse = run(capsys, str(model(tmp_path, "model_2.log", other)))
    assert "minority collapse: predicted class 1 for" in reverse
    assert "; recovered at epoch 6" in reverse


def test_a_baseline_is_what_to_beat_for_a_training_that_began_at_chance_and_what_differs_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rise = [(0.4361 + 0.0125 * n, 900 - 20 * n, 0.5, 0.5) for n in range(11)]
    one = model(tmp_path, "one.log", rise, "Config: focal_alpha=[0.5, 2.0], lr=2e-05, gradient_clipping=None")
    two = model(
        tmp_path, "two.log", [*rise, (0.57, 690, 0.5, 0.5)], "Config: focal_alpha=[1.0, 3.4], lr=2e-05, gradient_clipping=1.0"
    )
    _, out = run(capsys, str(one), str(two), "--baseline", "val/macro_f1=0.5494")
    assert "forgetting" not in out
    assert "+0.0206" in out
    assert "focal_alpha: one.log [0.5, 2.0], two.log [1.0, 3.4]" in out
    assert "gradient_clipping: one.log None, two.log 1.0" in out
    assert "lr: one.log" not in out, "what is the same tells nothing"


def test_the_plain_name_of_a_score_means_the_branch_that_is_the_objective(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "attempt_3.log"
    path.write_text(
        "mmengine - INFO - Epoch(val) [1][200/200]  acc/rgb_top1: 0.8756  acc/pose_top1: 0.7666  acc/RGBPose_1:1_top1: 0.8669\n"
    )
    flags = ["--baseline", "val/top1=0.8919,val/pose/top1=0.825", "--gate", "val/top1@1>=0.885"]
    _, out = run(capsys, str(path), *flags)
    assert "val/top1 is taken for val/RGBPose_1:1/top1, the objective" in out
    assert "forgetting at epoch 1" in out
    assert "behind the baseline (0.8919) by 0.0250" in out
    assert "val/RGBPose_1:1/top1 was 0.8669 at epoch 1, the gate asks for at least 0.885" in out


def test_a_loss_at_ln_31_is_that_of_a_batch_of_32_whose_embeddings_are_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.log"
    path.write_text("".join(f"Epoch {n}: loss = 3.4340, lr = 1.00e-04\n" for n in range(1, 21)))
    code, out = run(capsys, str(path))
    assert code == 1
    assert "where embeddings of a batch of 32 are all alike (--loss supcon --batch 32)" in out
    path.write_text("".join(f"Epoch {n}: loss = 3.4510, lr = 1.00e-06\n" for n in range(1, 21)))
    assert run(capsys, str(path))[0] == 2, "half a percent above it is nothing known"
