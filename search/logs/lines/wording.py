"""Bring what a line of no known shape says to the form that lines usually have, before it is read."""

from __future__ import annotations

import math
import re

from pitprop.detection import metrics
from pitprop.logs.lines.languages import western

NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf(?:inity)?)"
THOUSANDS = re.compile(r"(?<![\d.,])(?<!\d:)[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
"""A number as 1,230 or 1,230.5; what Python's logging adds to a time, as in 19:15:05,267, is none."""
BEST = re.compile(
    r"[\[(<{]\s*(?:(?:the|current|previous|prev|last)\s+)?(?:best|prev(?:ious)?|min|max|highest|lowest)\b[^\[\](){}<>]*[\])>}]",
    re.I,
)
"""What a line adds in brackets of another epoch than its own."""
SHARE = re.compile(
    r"(?P<name>(?:acc(?:uracy)?|correct|precision|recall|hits?|exact[ _]match)\w*['\"]?\s*[:=]?\s*)"
    r"(?P<part>\d+)\s*/\s*(?P<whole>\d+)(?![\d/])(?:\s*\(?\s*[\d.]+\s*%\s*\)?)?",
    re.I,
)
"""A score as a part of a whole, which may be said in percent as well."""
ITEM = rf"(?:np\.\w+\()?{NUMBER}\)?"
LIST = re.compile(
    rf"(?P<name>\b[A-Za-z][\w \-]{{0,40}}?)\s*[:=]?\s*\[(?P<items>\s*{ITEM}(?:\s*,\s*{ITEM})*\s*)\]",
    re.I,
)
CLASSWISE = re.compile(r"\b(?:dice|iou|f1|accuracy|acc|ap|recall|precision|auc)\s*$", re.I)
"""Scores of which a list is one for each class."""
TWO = re.compile(r"\bLOSS train (?P<train>\S+) valid (?P<val>\S+)")
"""As PyTorch's tutorial on training prints it."""
COCO = re.compile(
    r"Average (?P<what>Precision|Recall)\s+\((?P<short>AP|AR)\) @\[ IoU=(?P<iou>[\d.:]+)\s*\| area=\s*(?P<area>\w+) \| "
    r"maxDets=\s*(?P<most>\d+)\s*\] = (?P<value>\S+)"
)
DARKNET = re.compile(rf"^\s*(?P<step>\d+): {NUMBER}, (?P<loss>{NUMBER}) avg(?: loss)?, (?P<rate>{NUMBER}) rate,", re.I)
"""How Darknet prints a batch: the loss stands before its name."""
REGION = re.compile(r"\bRegion \d+ Avg\b")
"""What Darknet prints of each part of a batch: overlaps in training, and constants."""
LLMC = re.compile(rf"^s:(?P<step>\d+) (?P<what>tel|trl|eval):(?P<value>{NUMBER})")
"""A line of llm.c's main.log: the loss of validation, of training, or the accuracy on HellaSwag."""
LLMC_NAMES = {"tel": "val loss", "trl": "train loss", "eval": "val hellaswag_acc"}
ROUND_STAMP = re.compile(r"^\[[\d\-/: .,]*\d:\d\d[^\]]*\][^\[\]]{0,20}(?=\[\d+\]\s)")
"""The time before the round of boosted trees."""
KALDI = re.compile(rf"Average objective function for '\w+' for minibatches \d+-(?P<step>\d+) is (?P<value>{NUMBER})")
"""How Kaldi's nnet3 prints some batches of a job."""
PER_DIM = re.compile(r"\bbits?/(?P<what>dim|byte|char)\b", re.I)
TUTORIAL = re.compile(r"\baccuracy of the (?:network|model) on (?:the )?(?:\d+ )?(?P<side>\w+) (?:images|set|data)\b", re.I)
"""How a tutorial of PyTorch says an accuracy."""
MARIAN = re.compile(r"\bEp\. [\d.]+ : Up\. (?P<updates>\d+) :")
"""How Marian says how far it is."""
DASHED = re.compile(rf"(?<=[\[,] )(?P<name>[a-z]\w{{1,40}}) - (?={NUMBER}[,\]])", re.I)
"""A reading in a progress bar, as segmentation_models prints it."""
ONE = re.compile(rf"=\[({NUMBER})\]")
"""A number that is printed as a list of one."""
MAP50 = re.compile(r"mean average precision \(mAP@0?\.50?\)\s*=", re.I)
BATCH = re.compile(r"\bbatch \d+ labels\W+unique: \[(?P<labels>[^\]]+)\](?:.*?counts: \[(?P<counts>[\d, ]+)\])?.*", re.I)
"""What a script prints to see which classes are in a batch."""
TOP = re.compile(r"\btop[ \-](?=[15]\b)", re.I)
CLASS = re.compile(r"(?:^|\s)(?!accuracy)\S+:\s+precision:.*\bFB1:")
"""A line of conlleval that is of one class."""
STAMP = re.compile(r"^\W?\d{4}-\d\d-\d\d[ T][\d:,.]+\]?.*?\b(?:INFO|DEBUG|WARNING)\b\W*")
"""What Python's logging sets before a line."""


DATED = re.compile(r"^\W?\d{4}-\d\d-\d\d[ T][\d:,.]+")
GIVEN = (
    *(":", "=", "|", "->", "is", "reached", "loss", "acc", "f1", "auc", "top1", "top5", "prec", "perplexity", "ppl", "lr"),
    *("learning rate", "grad norm", "grad_norm", "map", "iou", "dice", "bleu", "wer", "cer", "rmse", "mae", "psnr", "ssim"),
    *("reward", "recall", "err"),
)
"""When a line was written, and one of the signs and words without which nothing behind that is a reading."""


PRETRAINED = re.compile(
    r"\b(?:load|restor|resum)(?:e?s|e?d|ing|e)?\s+(?:the\s+)?(?:model\s+)?(?:from|pre-?trained|checkpoint|weights|state_dict)\b|"
    r"\b(?:load|init)_from\s*[:=]\s*['\"]?(?!scratch\b|none\b|null\b|['\"])[\w./]|\bfrom_pretrained|"
    r"\bfrom the (?:model )?checkpoint|\bfine-?tun\w*\s+from\b|\binitiali[sz](?:ed|ing) from\b(?!\s+(?:scratch|random))",
    re.I,
)
"""What says that a training began from a checkpoint."""
LOADS = re.compile("[fF][rR][oO][mM]|[lL][oO][aA][dD]|[rR][eE][sS][tTuU]")
"""The cheap test for that."""
OTHER_NAN = re.compile(r"1\.#(?P<kind>QNAN|SNAN|IND|INF)\d*")
"""How Windows prints what is not finite."""
WRAPPED = re.compile(
    rf"\b(?:\w+\.)?(?:[A-Z]?[a-z]*[aA]rray|Variable|mpf)\(\s*\[?\s*(?P<number>{NUMBER})\s*\]?(?:\s*,[^()]*)?\)"
    rf"|<tf\.\w+: [^<>]*?numpy=(?P<value>{NUMBER})[^<>]*>",
    re.I,
)
"""A number as an array without axes, or as a tensor of TensorFlow."""
SPREAD = re.compile(r"(?P<mean>\d\.\d+)\s?\+(?:/-|-)?\s?\d+\.?\d*(?:[eE]-?\d+)?")
"""A mean with its standard deviation."""
DECIMAL_COMMA = re.compile(r"(?:[:=]\s*|\s)[-+]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))(?![\d,]|\.\d)")
POINT = re.compile(r"(?<![\w,.]\d)\d\.\d")
WITH_COMMA = re.compile(r"(?<![\w,.])([-+]?\d+),(\d+)(?!,?\d)")
"""A number with a comma before its decimals."""
TOP_TUPLE = re.compile(rf"\b(?P<name>(?:\w+[ _])?acc(?:uracy)?)\s*[:=]?\s*\((?P<one>{NUMBER}), (?P<five>{NUMBER})\)", re.I)
"""Accuracies among the first and among the first five answers, as a pair."""
BATCHED = re.compile(r"^\W*(?:test|val\w*|eval\w*)\b[^|\[]{0,20}\[\s*\d+\s*/\s*\d+\s*\]", re.I)
METER = re.compile(rf"{NUMBER}\s+\(\s*(?P<mean>{NUMBER})\)")
"""What a batch of a validation reads, and with it the mean of all batches so far, which alone counts."""
TIMM = re.compile(r"^\W*Train: (?P<epoch>\d+) \[\s*(?P<part>\d+)/(?P<parts>\d+) ")
TORCHTUNE = re.compile(r"^\s*(?P<epoch>\d+)\|(?P<step>\d+)\|(?=[A-Z]\w*: )")
"""Places without a word for them, as timm and torchtune write them."""
ELLIPSIS = re.compile(r"^(?P<word>Epoch|Step)\.{2,3} ?\((?=\d)")
"""A place as the examples of Flax write it."""
SAVES = re.compile(r",?\s*(?:saving (?:the )?(?:model|checkpoint|weights) (?:to|in|as)|was not in top)\b.*$", re.I)
"""What a line adds of a file that is written, in whose name there may be numbers, too."""
SIDES_ALONE = re.compile(
    rf"(?<![\w/\-.])(?P<side>train(?:ing)?|val(?:id(?:ation)?)?|dev|test)(?P<mark>\s*[:=]\s*)(?={NUMBER})", re.I
)
LOSS = re.compile(rf"(?<![\w/])loss\s*[:=]?\s*{NUMBER}", re.I)
TOLD = re.compile(r"\b(?P<name>[a-z][\w\-]*)\W*$", re.I)
"""A side that stands for what was said before it, as in ``loss: train 0.5 val 0.4``; and the word for that."""


PLACED_BEHIND = re.compile(
    r"(?<=\w) (?:at|after|in|for|of) (?:the )?(?:(?P<word>epoch|step|iter(?:ation)?|round)s? (?P<number>\d+)"
    r"|(?P<first>\d+) (?P<unit>epochs?|steps?|iter(?:ation)?s?|rounds?|kimg))(?P<rest>\s*(?:is|was|[:=]))",
    re.I,
)
"""A place between a name and its number, as in ``accuracy at epoch 3: 0.5``."""
GAMES = re.compile(rf"\breward\s+(?:min )?{NUMBER}(?:/|\s+mean )\s*(?P<mean>{NUMBER})(?:/|\s+max )\s*{NUMBER}")
"""The least, the mean and the greatest return, as scripts of RLlib print them."""
CALLER = re.compile(r"^\W?\[[^\[\]]*\d:\d\d[^\[\]]* [\w.]+:\d+\]")
"""What NeMo's logging sets before a line: its last number is one of the source, as in ``wer:318``."""
AVERAGED = re.compile(r"f1-score \((?P<mean>micro|macro) avg\)\s+(?=[\d.])")
"""A score as flair writes it."""
COLUMNS = re.compile(rf"console_logger - (?P<name>\w+)\s+\|\s+(?P<train>{NUMBER}|N/A)\s+\|\s+(?P<val>{NUMBER}|N/A)\s*$")
"""A score of both sides, as AllenNLP writes it."""
WENET = re.compile(r"\b(?:TRAIN Batch (?P<epoch>\d+)/(?P<step>\d+)|CV Batch (?P<checked>\d+)/\d+ .*?\bhistory(?= loss))")
"""A batch as WeNet prints it; of one of validation the mean of all so far counts, its history."""
FLAX_EVALUATED = re.compile(r"\b(?=(?:Loss|Acc): )")


def mute(line: str) -> bool:
    """Whether ``line``, which names no place, has no number that a name is given: the cheap test, as most lines are so."""
    if "(" in line:
        return False
    behind = DATED.sub("", line, count=1).lower()
    return not any(sign in behind for sign in GIVEN)


def plain(line: str) -> str:
    """``line`` with shares as fractions, lists by class as means, thousands without commas; without what it says of the best."""
    if line.startswith("["):
        line = CALLER.sub("", line)
    line = _numbers(_places(western(line)))
    if "," in line:
        line = THOUSANDS.sub(lambda match: match[0].replace(",", ""), line)
    if "[" in line or "(" in line or "<" in line:
        line = BEST.sub(" ", line)
    if " rate," in line:
        line = DARKNET.sub(r"step \g<step> loss: \g<loss> lr: \g<rate>,", line)
    if ("Region " in line and REGION.search(line)) or "'train_runtime'" in line:  # Hugging Face's last line sums all up
        return ""
    if line.startswith("s:"):
        line = LLMC.sub(lambda match: f"step {match['step']} {LLMC_NAMES[match['what']]}: {match['value']}", line)
    if line.startswith("["):
        line = ROUND_STAMP.sub("", line.replace("#011", "\t"))  # a tab, as SageMaker's logs have it
    if "it/" in line or "its/" in line:
        line = PER_DIM.sub(r"bits_per_\g<what>", line)
    if "ccuracy of the" in line:
        line = TUTORIAL.sub(r", \g<side> accuracy", line)
    if "minibatches " in line:
        line = KALDI.sub(r"step \g<step> train objf: \g<value>", line)
    if "Ep. " in line:
        line = MARIAN.sub(r"num_updates \g<updates>,", line)
    if " - " in line and ("it/s" in line or "s/it" in line):
        line = DASHED.sub(r"\g<name>: ", line)
    if " metric, " in line:  # PaddlePaddle's
        line = "" if "best metric, " in line else line.replace("cur metric, ", "val ")
    if "=[" in line:
        line = ONE.sub(r"=\1", line)
    if "mAP@" in line:
        line = MAP50.sub("val map50 =", line)
    if "op " in line or "op-" in line or "OP" in line:
        line = TOP.sub("top", line)
    if "unique:" in line:
        line = BATCH.sub(_batch, line)
    if "FB1:" in line and CLASS.search(line):
        return ""
    if "LOSS train" in line:
        line = TWO.sub(r"train loss: \g<train> val loss: \g<val>", line)
    if "/" in line:
        line = SHARE.sub(_share, line)
    if "[" in line:
        line = COCO.sub(_coco, line) if "IoU=" in line else LIST.sub(_mean, line)
    return line


def _batch(match: re.Match[str]) -> str:
    """How many classes and samples are in a batch, from its labels and how often each occurs."""
    samples = sum(map(int, match["counts"].replace(",", " ").split())) if match["counts"] else 0
    return f"batch classes: {len(match['labels'].split(','))}" + (f" batch samples: {samples}" if samples else "")


def _share(match: re.Match[str]) -> str:
    part, whole = int(match["part"]), int(match["whole"])
    return f"{match['name']}{part / whole:.6g}" if 0 < whole >= part else match[0]


def _mean(match: re.Match[str]) -> str:
    """A score by class as its mean over the classes that have one."""
    if not CLASSWISE.search(match["name"]):
        return match[0]
    values = [float(item) for item in re.sub(r"np\.\w+\(|\)", "", match["items"]).split(",")]
    there = [value for value in values if not math.isnan(value)]
    return f"{match['name']}: {sum(there) / len(there) if there else math.nan:.6g}"


def _coco(match: re.Match[str]) -> str:
    """What pycocotools prints of all sizes of objects; nothing of the others."""
    names = {"0.50:0.95": "map50_95", "0.50": "map50", "0.75": "map75"}
    if match["area"] != "all" or match["short"] != "AP" or match["iou"] not in names:
        return ""
    return f"val {names[match['iou']]}: {match['value']}"


def _places(line: str) -> str:
    """``line`` with its place, and what each number is of, as they are usually said."""
    if line.startswith(("Epoch..", "Step..")):
        evaluated = "Acc: " in line and "Rate: " not in line
        line = ELLIPSIS.sub(r"\g<word> (", FLAX_EVALUATED.sub("eval ", line) if evaluated else line)
    if " Batch " in line:
        line = WENET.sub(_wenet, line)
    if " avg)" in line:
        line = AVERAGED.sub(r"\g<mean>_f1: ", line)
    if "console_logger" in line:
        line = COLUMNS.sub(r"train_\g<name>: \g<train> val_\g<name>: \g<val>", line)
    if " reward " in line:
        line = GAMES.sub(r"mean_reward: \g<mean>", line)
    if behind := PLACED_BEHIND.search(line):
        place = f"{behind['word'] or behind['unit'].rstrip('s')} {behind['number'] or behind['first']}"
        line = f"{place} {line[: behind.start()]}{line[behind.start('rest') :]}"
    if "aving " in line or "was not in top" in line:
        line = SAVES.sub("", line)
    if ", " in line and "(" in line:
        line = TOP_TUPLE.sub(r"\g<name>_top1: \g<one> \g<name>_top5: \g<five>", line)
    if len({match["side"].lower() for match in SIDES_ALONE.finditer(line)}) > 1:
        line = _sided(line)
    return METER.sub(r"\g<mean>", line) if "(" in line and running(line) else line


def running(line: str) -> bool:
    """Whether ``line`` is of a batch of a validation, and has the mean of all batches so far."""
    return (BATCHED.match(line) is not None and "(" in line) or " history loss " in line


def _wenet(match: re.Match[str]) -> str:
    return f"Epoch {match['checked']} CV" if match["checked"] else f"Epoch {match['epoch']} step {match['step']}"


def _sided(line: str) -> str:
    """``line`` whose readings are called by their sides only: each by what was named before the first of them, else the loss.

    A score, where the line says the loss as well.
    """
    said, name, at = "", "score" if LOSS.search(line) else "loss", 0
    for match in SIDES_ALONE.finditer(line):
        told = TOLD.search(line[at : match.start()])
        if told and metrics.rises(told["name"]) is not None:
            name = told["name"]
        before = line[at : at + told.start()] if told and told["name"] == name else line[at : match.start()]
        said += f"{before}{match['side']}_{name}{match['mark']}"
        at = match.end()
    return said + line[at:]


def _numbers(line: str) -> str:
    """``line`` with its numbers as they are usually written."""
    if "#" in line:
        line = OTHER_NAN.sub(lambda match: "inf" if match["kind"] == "INF" else "nan", line)
    if "rray(" in line or "numpy=" in line:
        line = WRAPPED.sub(lambda match: match["number"] or match["value"], line)
    if "+" in line:
        line = SPREAD.sub(r"\g<mean>", line)
    if "," in line and DECIMAL_COMMA.search(line) and not POINT.search(line):
        line = WITH_COMMA.sub(r"\1.\2", line)
    return line
