"""Bring what a line says to the form that lines usually have, before it is read.

`plain` works on one line that is of no known shape, `english` on all text that is not ASCII.
"""

from __future__ import annotations

import math
import re

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
ENGLISH = {
    "train_": "训练集上的 训练集上 训练集 训练时 训练 訓練集 訓練 訓練集 学習 학습 훈련",
    "val_": "验证集上的 验证集上 验证集 验证 校验集 校验 驗證集 驗證 検証 검증",
    "test_": "测试集上的 测试集上 测试集 测试 測試集 測試 評価 テスト 테스트 评估",
    "best_": "历史最佳 最佳 最好 最优 最高 最低 最良 최고",
    "mean_": "平均",
    "lr": "学习率 學習率 学習率 학습률",
    "loss": "损失函数值 损失函数 损失值 损失 損失 손실",
    "accuracy": "准确率 准确度 正确率 精度 準確率 正解率 정확도",
    "precision": "精确率 查准率 適合率 정밀도",
    "recall": "召回率 查全率 再現率 재현율",
    "f1": "F1分数 F1值 F1-分数 F1スコア",
    "perplexity": "困惑度",
    "reward": "累计奖励 奖励 回报 獎勵 報酬 보상",
    "time": "总耗时 耗时 用时 时间 時間 시간",
    "epoch ": "轮次 轮数 训练轮次 エポック 에폭 에포크",
    "iter ": "迭代次数 迭代",
    "step ": "步数 步骤 ステップ 스텝",
}
"""Words of logs in Chinese, Japanese and Korean, and what they are in English."""
RUSSIAN = {
    "train_": "обучающая обучающие обучение обучения обучении тренировка тренировочная тренировочные трен",
    "val_": "валидация валидации валидационная валидационные проверка вал",
    "test_": "тест тесте тестовая тестовые",
    "best_": "лучшая лучшие лучший",
    "mean_": "средняя средние",
    "lr": "шаг_обучения скорость_обучения",
    "loss": "потери потеря лосс",
    "accuracy": "точность",
    "recall": "полнота",
    "reward": "награда вознаграждение",
    "time": "время",
    "epoch ": "эпоха эпохи эпоху",
    "iter ": "итерация",
    "step ": "шаг",
}
"""The same in Russian, where a word ends as its sentence asks, so that it is looked for as a whole; ``_`` is a blank in one."""
WORDS = {theirs: ours for ours, words in ENGLISH.items() for theirs in words.split()}
FOREIGN = re.compile("|".join(sorted(map(re.escape, WORDS), key=len, reverse=True)))
CYRILLIC = {theirs.replace("_", " "): ours for ours, words in RUSSIAN.items() for theirs in words.split()}
SLAVIC = re.compile(
    rf"(?<![а-яё])(?:на )?(?P<word>{'|'.join(sorted(CYRILLIC, key=len, reverse=True))})(?:\.(?= ?[а-яё])|(?![а-яё]))", re.I
)
GERMAN = {
    "train_": "trainings",
    "val_": "validierungs validierung",
    "test_loss": "testverlust",
    "test_accuracy": "testgenauigkeit",
    "lr": "lernrate",
    "loss": "verlust",
    "accuracy": "genauigkeit",
    "precision": "präzision",
    "recall": "trefferquote",
    "reward": "belohnung",
    "epoch ": "epoche",
    "step ": "schritt",
}
"""The same in German, where words are written together."""
TEUTONIC = {theirs: ours for ours, words in GERMAN.items() for theirs in words.split()}
COMPOUND = re.compile("|".join(sorted(TEUTONIC, key=len, reverse=True)), re.I)
SUSPECT = ("erlust", "enauigkeit", "poche", "ernrate", "alidierung", "elohnung", "chritt")
"""Parts of words of which a line in German, which may be ASCII, has one."""
EASTERN = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff01-\uff5e]")
CYRILLIC_LETTER = re.compile("[\u0430-\u044f]")
ROUND = re.compile(r"第\s*(\d+)\s*(?:/\s*(\d+)\s*)?(?:个|個)?\s*(?:轮|輪|代|回|次迭代|周期|[Ee]poch)")
PUNCTUATION = str.maketrans(
    {"：": ":", "，": ",", "；": ";", "（": "(", "）": ")", "％": "%", "。": " ", "、": ",", "【": "[", "】": "]", "№": " "}
)
PUNCTUATION |= str.maketrans({"│": "|", "┃": "|", "║": "|", "━": "-", "─": "-", "═": "-", "−": "-", "\u00a0": " "})


def english(text: str) -> str:
    """``text`` with the words of logs that are not English, and signs that are not ASCII, replaced."""
    text = text.translate(PUNCTUATION)
    if CYRILLIC_LETTER.search(text):
        text = SLAVIC.sub(lambda match: CYRILLIC[match["word"].lower()], text)
    if not EASTERN.search(text):
        return text
    text = ROUND.sub(lambda match: f" Epoch {match[1]}" + (f"/{match[2]} " if match[2] else " "), text)
    return FOREIGN.sub(lambda match: WORDS[match[0]], text)


def plain(line: str) -> str:
    """``line`` with shares as fractions, lists by class as means, thousands without commas; without what it says of the best."""
    if any(part in line for part in SUSPECT):
        line = COMPOUND.sub(lambda match: TEUTONIC[match[0].lower()], line)
    if "," in line:
        line = THOUSANDS.sub(lambda match: match[0].replace(",", ""), line)
    if "[" in line or "(" in line or "<" in line:
        line = BEST.sub(" ", line)
    if " rate," in line:
        line = DARKNET.sub(r"step \g<step> loss: \g<loss> lr: \g<rate>,", line)
    if "Region " in line and REGION.search(line):
        return ""
    if line.startswith("s:"):
        line = LLMC.sub(lambda match: f"step {match['step']} {LLMC_NAMES[match['what']]}: {match['value']}", line)
    if line.startswith("["):
        line = ROUND_STAMP.sub("", line.replace("#011", "\t"))  # a tab, as SageMaker's logs have it
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
