"""Judge a training by its curve: pure functions from epochs to verdicts, without a clock, files or a study.

`detect` gives verdicts: `judge` on the newest epoch, `replay` on a finished curve, `judge_gates` on a space's bounds. A verdict
names a signature and an epoch, gives a reason with its numbers, and a remedy. `signatures` holds one module for each way in
which trainings collapse; what they know besides the epochs is in `facts`.

Signatures share `levels` (where is chance, how long is the grace?), `life` (does it show signs of a recovery?), `predictions`
(one class for all?) and `branches` (parts of a model against their checkpoint). `chance` has the loss and the score of a model
that has learned nothing, by formula, and `stopping` the objective of a curve and early stopping.
"""
