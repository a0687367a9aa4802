"""Curves of many kinds of training, made on demand by small trainings of our own: ``python -m tests.bench.detect.made FOLDER``.

Kinds that public collections of curves lack: scores in percent, BLEU, mAP, WER, PSNR and returns in their own units; cyclic
rates, grokking, plateaus before an alignment is found, fine-tunes, few evaluations, scores without losses and losses without
scores, recurrent nets of which many die, and trainings that leave chance late. ``unseen`` and ``heldout`` say which kinds no
threshold was chosen on. All runs of a study train at once, with
hyperparameters of their own, in stacked tensors; the same seed makes the same curves.
"""
