"""Whether more of a metric is better, by its name: the one table of it, for spaces, logs and adapters alike."""

from __future__ import annotations

import re


FALL = frozenset(
    "loss losses error err errors perplexity ppl nll logloss wer cer mer ter eer der mae mse rmse mape smape wape msle rmsle "
    "nmse nrmse crps ece brier bpb bpc bpd fid kid lpips fad epe ade fde chamfer hausdorff emd wasserstein divergence kl "
    "distance cost regret deviance residual latency fpr fnr mindcf".split()
)
"""Words for what is minimized."""
RISE = frozenset(
    "acc accuracy f f1 fscore auc auroc auprc aupr roc ap map mar miou iou jaccard dice dsc precision recall sensitivity "
    "specificity top mean1 knn probe edit bleu sacrebleu chrf rouge rougel rougelsum meteor cider spice mrr ndcg hits hit mcc "
    "kappa r2 r2score spearman pearson kendall corr correlation ccc psnr ssim msssim reward rewards rew return returns win wins "
    "success elbo likelihood elo purity nmi ari silhouette throughput tpr tnr similarity exact em pass correct".split()
)
"""Words for what is maximized."""
PHRASES = {"error_rate": False, "false_positive_rate": False, "false_negative_rate": False, "bits_per_byte": False}
PHRASES |= {"true_positive_rate": True, "true_negative_rate": True}
"""Words that say it together."""
WEAK = {"score": True, "scores": True}
"""Words that say it where no other does."""
TURNED = re.compile(r"(?:^|_)neg(?:ative)?_(?:mean|root|median|max|brier|log)")
"""What turns the direction, as in neg_mean_squared_error; precision_neg, of a class, does not."""


def rises(metric: str) -> bool | None:
    """Whether more of ``metric`` is better: the last word in its name that tells decides; None where none does."""
    for text in (metric, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric)):
        words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
        found = _told(words)
        if found is not None:
            return found is not bool(TURNED.search("_".join(words)))
    return None


def goal(metric: str) -> str:
    """``maximize`` or ``minimize`` by the metric's name; empty where that does not tell."""
    return {True: "maximize", False: "minimize", None: ""}[rises(metric)]


def _told(words: list[str]) -> bool | None:
    joined = "_".join(words)
    for phrase, up in PHRASES.items():
        if joined.endswith(phrase):
            return up
    for known in (dict.fromkeys(FALL, False) | dict.fromkeys(RISE, True), WEAK):
        for word in reversed(words):
            for form in (word, word.rstrip("0123456789")):
                if form in known:
                    return known[form]
    return None
