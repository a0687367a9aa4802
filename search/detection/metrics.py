"""What metrics mean, by their names: the one table of it, for spaces, logs, adapters and signatures alike.

A name is read as words (``val/ValLoss_step`` is val, val, loss, step). The last word that tells decides, so that ``loss_weight``
is a setting and ``cls_accuracy`` a score; words of `FAINT` count only where no other word tells.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import median, median_low

OBJECTIVES = ("score", "error", "loss", "reward")
"""The families of what a training is for; all others (time, counter, place, rate, setting, state) only accompany it."""


WHOLE = 1.001
"""What no share is above, but for rounding."""
LARGE = 5.0
"""An error rate that is in percent: a share is hardly ever so large."""
ALIKE = 0.05
"""By how much a share that was printed in percent before differs from one reading to the next."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a metric is: its ``family`` ("" if not known), and whether more of it is better (None if not known).

    A ``share`` lies between 0 and 1, or is printed in percent; others have no bounds. ``chance`` is what a model that has learned
    nothing reaches whatever the prior, as a share; None if that depends on the prior, or is not known. ``attainable`` tells
    whether the end of the scale can be reached, unlike a BLEU of 1. ``empty`` metrics are 0 where nothing is found or right.
    ``signed`` ones may also be below 0, as a correlation is.
    """

    family: str = ""
    maximize: bool | None = None
    share: bool = False
    chance: float | None = None
    attainable: bool = True
    empty: bool = False
    signed: bool = False

    @property
    def objective(self) -> bool:
        """Whether a training can be judged by it."""
        return self.family in OBJECTIVES and self.maximize is not None


LOSS, ERROR, DISTANCE = Meaning("loss", False), Meaning("error", False, share=True), Meaning("error", False)
SCORE, QUALITY = Meaning("score", True, share=True), Meaning("score", True)
FOUND = replace(SCORE, empty=True)
HARD = replace(FOUND, attainable=False)
SIGNED = replace(SCORE, signed=True)
ASIDE = {family: Meaning(family) for family in ("time", "counter", "place", "rate", "setting", "state")}
TELLING: tuple[tuple[Meaning, str], ...] = (
    (LOSS, "loss losses perplexity ppl nll logloss xent xentropy ce bce crossentropy bpb bpc bpd kl divergence mlogloss"),
    (LOSS, "deviance cost regret brier crps"),
    (replace(ERROR, chance=1.0), "wer cer mer ter ler wil"),
    (ERROR, "eer der hter ece fpr fnr merror"),
    (DISTANCE, "error err errors residual mae mse rmse mape smape wape msle rmsle nmse nrmse mase rse"),
    (DISTANCE, "fid kid lpips fad epe"),
    (DISTANCE, "ade fde mpjpe pve chamfer hausdorff hd hd95 assd emd wasserstein distance mindcf mmd rank_loss"),
    (SCORE, "acc accuracy accuracies macc aacc oa top top1 top5 mean1 knn probe specificity tpr tnr em exact"),
    (SCORE, "correct pass purity nmi"),
    (SIGNED, "ari silhouette similarity ssim msssim stoi"),
    (SCORE, "uas las pck gauc aupr auprc mota hota idf1 nds pq fitness"),
    (replace(SCORE, chance=0.5), "auc auroc roc cindex concordance"),
    (replace(SIGNED, chance=0.0), "mcc kappa qwk r2 r2score spearman spearmanr pearson pearsonr kendall corr"),
    (replace(SIGNED, chance=0.0), "correlation ccc lcc srcc plcc"),
    (FOUND, "f f1 fscore fmeasure miou iou iu meaniu fwiou jaccard dice mdice dsc precision prec recall rec sensitivity"),
    (FOUND, "hits hit mrr ndcg dcg"),
    (HARD, "ap map mar ar rouge rouge1 rouge2 rougel rougelsum chrf meteor spice"),
    (replace(HARD, share=False), "cider"),  # no share: its own scale goes to 10
    (replace(HARD, chance=0.0), "bleu sacrebleu"),
    (replace(SCORE, chance=0.0), "edit"),
    (QUALITY, "psnr snr sdr sisdr sisnr pesq mos dnsmos elbo likelihood loglik llh objf elo inception"),
    (Meaning("reward", True), "reward rewards rew return returns"),
    (Meaning("reward", True, share=True), "win wins winrate success"),
    (Meaning("time", False), "latency"),
    (Meaning("time", True), "throughput fps"),
    (ASIDE["time"], "time second seconds secs sec ms eta elapsed duration runtime timestamp hours minutes speed walltime"),
    (ASIDE["counter"], "count counts num length len"),
    (ASIDE["rate"], "lr"),
    (ASIDE["setting"], "alpha beta beta1 beta2 gamma eps epsilon temperature momentum weight decay wd dropout"),
    (ASIDE["setting"], "seed threshold thr coef"),
    (ASIDE["setting"], "coefficient scale clip range"),
    (ASIDE["state"], "norm gnorm std var variance entropy spread logps logits chosen rejected margin margins"),
    (ASIDE["state"], "memory mem mb gb gib gpu"),
    (ASIDE["state"], "fraction ratio util utilization predicted labels nbformat version size magnitude"),
)
"""What each word means, wherever in a name it stands."""
FAINT: tuple[tuple[Meaning, str], ...] = (
    (LOSS, "box cls obj dfl om oo gan cycle idt real fake errd errg"),
    (QUALITY, "score scores"),
    (ASIDE["counter"], "n tokens samples images episodes games updates timesteps examples flos flops params"),
    (ASIDE["place"], "epoch epochs step steps iter iters iteration iterations batch batches index idx round"),
    (ASIDE["place"], "rounds progress percent"),
)
"""The same for words that count only where no other word tells."""
PHRASES = {
    **dict.fromkeys(("class_error", "cls_error", "classification_error", "error_rate", "err_rate"), ERROR),
    **dict.fromkeys(("class_err", "false_positive_rate", "false_negative_rate"), ERROR),
    **dict.fromkeys(("word_error_rate", "character_error_rate", "phoneme_error_rate"), replace(ERROR, chance=1.0)),
    **dict.fromkeys(("bits_per_byte", "bits_per_dim", "bits_per_char", "bits_per_character", "cross_entropy"), LOSS),
    **dict.fromkeys(("true_positive_rate", "true_negative_rate"), SCORE),
    **dict.fromkeys(("success_rate", "win_rate"), Meaning("reward", True, share=True)),
    "mean_average_precision": HARD,
    **dict.fromkeys(("pr_auc", "auc_pr", "average_precision"), SCORE),  # the area below a curve: never 0, as ranks are
    **dict.fromkeys(("lcl_f1", "event_f1", "element_f1"), replace(FOUND, chance=0.0)),
    **dict.fromkeys(("io_u", "f1score"), FOUND),
    "chr_f": HARD,
    **dict.fromkeys(("c_index", "concordance_index"), replace(SCORE, chance=0.5)),
    "learning_rate": ASIDE["rate"],
    "edit_distance": DISTANCE,
    **dict.fromkeys(("clip_score", "is50k", "is50k_mean"), QUALITY),
}
"""Words that say it together, at the end of a name."""
ENDINGS = {"per": replace(ERROR, chance=1.0)}
"""Words that say it only as the last one: ``val/per`` is the phoneme error rate, ``loss_per_token`` is not."""
COUNTED = re.compile(r"\d+k?$")
"""What a word may end in: of how many, as in fid50k."""
CLASSES = frozenset(["top", "top1", "top5", "class", "classes", "classification", "acc"])
"""Words which make an error one of classes, a share."""
TURNED = re.compile(r"(?:^|_)neg(?:ative)?_(?:mean|root|median|max|brier|log)")
"""What turns the direction, as in neg_mean_squared_error; precision_neg, of a class, does not."""
BESIDE = re.compile(r"(?:^|[/_])(?:params|predicted|labels|true_positives|dormant|saturated|embedding|inputs|files|batch)/")
"""Readings of ours that describe a training and are not what it is for."""


@cache
def of(metric: str) -> Meaning:
    """What ``metric`` means, by its name."""
    if BESIDE.search(metric):
        return ASIDE["state"]
    for text in (metric, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric)):
        found = _told(words := split(text))
        if found is not None:
            turned = found.maximize is not None and TURNED.search("_".join(words))
            return replace(found, maximize=not found.maximize, chance=None, share=False) if turned else found
    return Meaning()


def split(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def rises(metric: str) -> bool | None:
    """Whether more of ``metric`` is better; None where its name does not tell."""
    return of(metric).maximize


def goal(metric: str) -> str:
    """``maximize`` or ``minimize`` by the metric's name; empty where that does not tell."""
    return {True: "maximize", False: "minimize", None: ""}[rises(metric)]


def percent(metric: str, values: Sequence[float]) -> bool:
    """Whether ``values``, of a whole curve, are shares that are printed in percent.

    A share above 1 is none; but one reading may be odd, so most have to say it, of all or of the later half: the first ones of
    many classes are low in percent too. An error rate may be above 1, at first: of 3.2, where far too many words are written.
    """
    meaning = of(metric)
    if not meaning.share or not values or median(values) > 1000:
        return False
    if not meaning.maximize:
        return max(values) > LARGE or median(values) > 1.5
    told = [value for value in values if value]  # 0 is 0 in either
    above = [place for place, value in enumerate(told) if value > WHOLE]
    since = told[above[-1] + 1 :] if above else []
    if len(since) > 1 and abs(100 * since[0] / told[above[-1]] - 1) < ALIKE:
        return False  # from one reading to the next it is printed as a share
    return bool(told) and max(median_low(told), median_low(told[len(told) // 2 :])) > WHOLE


def bounds(metric: str, values: Sequence[float]) -> tuple[float, float]:
    """Between what ``metric`` can lie by its name, in the unit of ``values``; infinite where that is open.

    A share lies between 0 and 1, but one that is ``signed`` may be lower, and an error rate that counts what was written too much
    (WER) higher. Other errors are not below 0.
    """
    meaning = of(metric)
    error = meaning.family == "error" and meaning.maximize is False
    low = 0.0 if error or (meaning.share and not meaning.signed) else -math.inf
    whole = 100.0 if percent(metric, values) else 1.0
    high = whole if meaning.share and not (error and meaning.chance == 1) else math.inf
    return low, high


def _told(words: Sequence[str]) -> Meaning | None:
    joined = "_".join(words)
    phrase = next((known for known in PHRASES if joined == known or joined.endswith(f"_{known}")), None)
    if phrase:
        return PHRASES[phrase]
    if words and words[-1] in ENDINGS and len(words) < 3:
        return ENDINGS[words[-1]]
    for known in (_words(TELLING), _words(FAINT)):
        for word in reversed(words):
            found = known.get(word) or known.get(COUNTED.sub("", word))
            if found is not None:
                return ERROR if found is DISTANCE and word[:3] == "err" and (CLASSES & {*words} or word[-1] in "15") else found
    return None


@cache
def _words(table: tuple[tuple[Meaning, str], ...]) -> dict[str, Meaning]:
    return {word: meaning for meaning, listed in table for word in listed.split()}
