"""Translate the metric names of other libraries to our vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from pitprop.detection import metrics
from pitprop.logs.lines.wording import NUMBER
from pitprop.telemetry import VOCABULARY

SIDES = dict.fromkeys(("train", "training", "trn", "tr", "learn"), "train") | dict.fromkeys(
    (
        "val",
        "valid",
        "validation",
        "validating",
        "va",
        "eval",
        "evaluation",
        "evaluating",
        "test",
        "testing",
        "dev",
        "cv",
        "heldout",
        "holdout",
    ),
    "val",
)
"""The words for the data that a reading is of."""
TABLED = ("metrics", "metric", "results", "scores")
"""Words above scores of a validation, where none of `SIDES` is said."""
SCORES = {
    "macro_f1": ("f1_macro", "f1_macro_cli", "macro_f1_score"),
    "accuracy": ("acc", "categorical_accuracy", "sparse_categorical_accuracy", "binary_accuracy"),
    "top1": ("acc_top1", "top1_acc", "accuracy_top1", "acc1", "acc_1", "prec1", "prec_1"),
    "top5": ("acc_top5", "top5_acc", "accuracy_top5", "acc5", "acc_5", "prec5", "prec_5"),
    "mean1": ("acc_mean1",),
    "macro_precision": ("precision_macro", "precision_macro_cli"),
    "macro_recall": ("recall_macro", "recall_macro_cli"),
    "auc": ("roc_auc", "auroc", "auc_roc"),
    "f1": ("fb1", "fb_1"),
    "dice": ("pseudo_dice", "dice_score", "mean_dice", "average_global_foreground_dice"),
    "loss": (
        "total_loss",
        "loss_total_loss",
        "lm_loss_value",
        "lm_loss",
        "loss_total",
        "avg_loss",
        "average_loss",
        "mean_loss",
        "nll_loss",
        "xent",
        "cross_entropy",
        "batch_loss",
    ),
}
"""Our word for a reading, and others', the likelier first: of several in one place one is taken."""
WORDS = {theirs: word for word, others in SCORES.items() for theirs in others}
SAME = {
    "acc": "accuracy",
    "err": "error",
    "perplexity": "ppl",
    "mean_average_precision": "map",
    "average_precision": "ap",
    "mean_iou": "miou",
    "word_error_rate": "wer",
    "character_error_rate": "cer",
}
"""Words that mean the same, of which a log keeps its own."""
ALONE = {
    "lr": ("lr", "learning_rate", "current_learning_rate"),
    "grad_norm": ("grad_norm", "gradient_norm", "gnorm", "total_grad_norm", "total_gradient_norm_before_clipping"),
    "params/with_grad": ("params_with_grad", "parameters_with_grad"),
    "batch/classes": ("batch_classes",),
    "batch/size": ("batch_samples",),
    "seconds": ("seconds", "epoch_time", "epoch_seconds"),
}
"""Readings that are of no side."""
LONE = {theirs: ours for ours, others in ALONE.items() for theirs in others}
COUNTS = {
    **dict.fromkeys(("prediction_distribution", "predicted_distribution", "predicted_counts", "predictions"), "val/predicted/"),
    **dict.fromkeys(("label_distribution", "label_counts", "true_distribution"), "val/labels/"),
}
"""Printed dictionaries of counts by class."""
OURS = tuple(name for name in VOCABULARY if name.endswith("/"))
IDLE = re.compile(
    r"(data|batch|train|load|forward|backward|epoch|iter|step)?_?time|time_.*|eta(_.*)?|mem(ory)?|max_mem|gpu_mem(ory)?|mfu|"
    r"iters?|its?|iterations?|steps?|epochs?|batch(es)?|batch_idx|(.*_)?batch_size|number_of_.*|global_step|trainer_global_step|rounds?|"
    r"n?um_.*|n_updates|updates?|ups|wps|wpb|bsz|fps|sps|created_at|total_flos|(.*_)?best(_.*)?|data|index|folds?|"
    r".*(_per_second|_runtime|_ms|_secs?|_seconds|_sec|_minutes|_hours|_timesteps|_tokens|_samples|_scale|_cpp|_cc|_py)|"
    r"wall(_.*)?|elapsed(_.*)?|runtime|timestamp|timesteps|max_.*|min_.*|seed|sec|secs|ms|hours?|minutes?|images?|targets?|"
    r"instances?|labels?|cuda|device|gpu|node|v_num|dur|cc|cpp|cu|py|size|img_size|rank|pid|gb_free|remaining|progress|samples|tokens|len|length|version"
)
"""What stands in logs and says nothing of how a training goes."""
TASK = re.compile(r"(?:bbox|segm|keypoints|panoptic_seg|sem_seg|box_proposals)/", re.I)
"""What detectron2 puts before the scores of its evaluations, which may stand in a row of training."""
BRANCH = re.compile(r"acc/(?P<branch>.+)_(?P<score>top1|top5)")
"""mmaction's names for the branches of one model."""
MAP = re.compile(r"m?AP(?:50|[@_ ]?0?\.50?)[:\-]0?\.?95|mAP(?P<half>[@_ ]?0?\.50?|50)(?![\d.:])", re.I)
"""Mean average precision over bounds of overlap from 50 to 95 %, or at 50 %, as detectors write them."""
MIXED = re.compile(r"(?<![A-Za-z])(?:m?AP|m?AR|m?IoU|[gd]IoU|m?Dice|[am]Acc|BLEU|ROUGE|WER|CER)(?![a-z])")
"""Words with capitals within."""
HEADS = re.compile(r"(?:box|cls|obj|dfl|giou)(?:_(?:om|oo))?|\w+_(?:om|oo)")
"""Losses of detectors that lack the word, where a side is said."""
SETTINGS = re.compile(
    r"thresh(old)?|weights?|decay|smoothing|coef(ficient)?|alpha|beta|gamma|size|num|number|max|min|target|patience|scale|factor|"
    r"ratio|margin|temperature|type|dir|path|lambda|warmup|clip|best|name|mode|function|fn|interval|freq|every|k|p"
)
"""Words of parameters that are named after a metric, such as iou_threshold."""
LONELY = re.compile(rf"\s*{NUMBER}(?:\s?%)?\s*", re.I)
"""A line that is a number."""


class Names:
    """Translates names, by what the user says and then by custom; each is worked out once."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.given = dict(given or {})
        self._known: dict[tuple[str, str], str | None] = {}

    def __call__(self, name: str, kind: str) -> str | None:
        """What a row of ``kind`` calls ``name``, in our vocabulary; None for what does not matter."""
        key = name, kind
        if key not in self._known:
            self._known[key] = self._given(name) or custom(name, kind)
        return self._known[key]

    def of(self, names: Iterable[str], kind: str) -> dict[str, str]:
        """The same of all ``names`` in one place, without those that do not matter: no two of them are one reading."""
        taken: dict[str, str] = {}
        for name in names:
            ours = self(name, kind)
            if ours is not None and (ours not in taken or name in self.given or _likely(name) < _likely(taken[ours])):
                taken[ours] = name
        return {name: ours for ours, name in taken.items()}

    def _given(self, name: str) -> str | None:
        fits = [one for one in self.given if name == one or (one.endswith(("_", "/")) and name.startswith(one))]
        longest = max(fits, key=len, default="")
        return self.given[longest] + name[len(longest) :] if longest else None


class Asked:
    """What finds the names that a user gives in text, the longest first, each with its number behind it: ``pattern``."""

    def __init__(self, names: Iterable[str]) -> None:
        exact = sorted((re.escape(name) for name in names if name and not name.endswith(("_", "/"))), key=len, reverse=True)
        named = rf"(?P<name>{'|'.join(exact)})"
        number = rf"(?P<number>{NUMBER})(?P<share>\s?%)?(?!\w|\.\w)"
        self.pattern = re.compile(rf"(?<![\w./]){named}['\"]?\s*(?:[:=]|->)?\s*['\"]?{number}") if exact else None
        self._alone = re.compile(rf"\W*{named}\W*") if exact else None
        self._waits = ""

    def joined(self, line: str) -> str:
        """``line``; a number that stands alone, under a line of one of the names alone, with that name."""
        waits = self._waits
        if self._alone is not None and line.strip():
            match = self._alone.fullmatch(line)
            self._waits = match["name"] if match else ""
        return f"{waits}: {line.strip()}" if waits and LONELY.fullmatch(line) else line


def custom(name: str, kind: str) -> str | None:
    """What ``name`` usually means. A name of no side is of the row's: training for ``train`` and ``epoch``."""
    if name in VOCABULARY or name.startswith(OURS):
        return f"{name}_loss" if name.startswith("val/") and HEADS.fullmatch(name[4:]) else name
    if branch := BRANCH.fullmatch(name):
        return f"val/{branch['branch']}/{branch['score']}"
    if name.startswith("rollout/"):
        return name  # returns of what is played while training, as Stable-Baselines3 names them
    words = _words(name)
    sides = [SIDES[word] for word in words if word in SIDES]
    if not sides and len(words) > 1 and words[0] in TABLED:
        sides, words = ["val"], words[1:]
    if len(words) > 1 and words[-1] in ("step", "epoch"):
        words = words[:-1]
    if len(words) > 1 and words[0] == "epoch" and words[1] not in ("time", "seconds"):
        words = words[1:]  # Keras' epoch_loss
    base = "_".join(word for word in words if word not in SIDES and word not in TABLED)
    lone = LONE.get(base) or ("lr" if base.startswith(("lr_", "learning_rate_")) else None)
    if lone:
        return lone
    if not base or IDLE.fullmatch(base):
        return None
    if sides and HEADS.fullmatch(base):
        base += "_loss"
    side = sides[0] if sides else "val" if kind in ("val", "part") or TASK.match(name) else "train"
    return f"{side}/{WORDS.get(base, base)}"


def same(metric: str, found: Iterable[str]) -> str | None:
    """Which of the names ``found`` is ``metric`` in other words: val/accuracy for test/acc, val/ppl for val/perplexity.

    A return of no side is also that of training, as a policy has no other.
    """
    listed = sorted(name for name in found if name != metric)
    plain = _plain(metric)
    if other := next((name for name in listed if _plain(name) == plain), None):
        return other
    played = metrics.of(metric).family == "reward" and plain.startswith("val/") and not sided(metric)
    return next((name for name in listed if _plain(name) == plain.replace("val/", "train/", 1)), None) if played else None


@cache
def _plain(name: str) -> str:
    """A name in the words of our own, and one word for those that mean the same."""
    side, _slash, rest = (custom(name, "val") or name).rpartition("/")
    rest = WORDS.get(rest.lower(), rest.lower())
    return f"{side}/{SAME.get(rest, rest)}"


def sided(name: str) -> bool:
    """Whether ``name`` says of which data it is, as ``valid_loss`` does, and not only what."""
    return len(words := _words(name)) > 1 and any(word in SIDES for word in words)


def column(name: str) -> str:
    """The name of a column or a key, which may say no more than what it is the loss of."""
    return f"{name}_loss" if name.strip().lower() in SIDES else name


def bare(header: Iterable[str]) -> str:
    """Of which side the scores in ``header`` are that do not say so: of validation where each loss says of which it is.

    So are those of a table of nothing but scores, as an evaluation writes it.
    """
    sided, told = {True: set[str](), False: set[str]()}, False
    for name in header:
        words = _words(name)
        if not words or tells(name):
            val = any(SIDES.get(word) == "val" for word in words)
            train = not val and any(word in SIDES for word in words)
            told |= val or train
            if not train:
                sided[val].add("_".join(word for word in words if word not in SIDES))
    loose = {WORDS.get(base, base) for base in sided[False]}
    if not told and loose - {""}:
        return "val" if all(metrics.of(one).family in ("score", "error") for one in loose - {""} - LONE.keys()) else "train"
    return (
        "val" if sided[True] and "loss" not in loose and not loose & {WORDS.get(base, base) for base in sided[True]} else "train"
    )


def tells(name: str) -> bool:
    """Whether ``name`` is by itself one of a loss or a score, as in ``Mean F1 (event)``, and not of a parameter or a count."""
    words = _words(re.sub(r"\([^)]*\)", " ", name))
    base = "_".join(word for word in words if word not in SIDES)
    if not words or any(map(SETTINGS.fullmatch, words)) or (IDLE.fullmatch(base) and base not in LONE):
        return False
    return base in WORDS or base in SCORES or base in LONE or metrics.rises(base) is not None


def _words(name: str) -> list[str]:
    """The words of a name: ``metrics/mAP50-95(B)`` has metrics and map50_95."""
    name = re.sub(r"\(B\)", "", name)
    name = re.sub(r"\((?:M|P)\)", lambda match: "_mask" if match[0] == "(M)" else "_pose", name)
    name = (
        re.sub(r"\b([a-z]+?)_?\d*'s[ _]", r"\1 ", name).replace("cv_agg's ", "valid ").replace("'s_", " ").replace("'s ", " ")
    )  # LightGBM's valid_0's auc
    name = MAP.sub(lambda match: "map50" if match["half"] else "map50_95", name)
    name = MIXED.sub(lambda match: match[0].lower(), name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    words = [word.strip(":") for word in re.split(r"[^a-z0-9:]+", name)]
    words = [word for word in words if word]
    inner = enumerate(words[:-1])  # valid_0 and "Test set" are no more than the side
    return [word for i, word in inner if not (word in ("0", "set") and i and words[i - 1] in SIDES)] + words[-1:]


def _likely(name: str) -> int:
    """How far a name is from our own word for it."""
    base = "_".join(word for word in _words(name) if word not in SIDES)
    return SCORES[WORDS[base]].index(base) + 1 if base in WORDS else 0
