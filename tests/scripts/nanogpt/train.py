"""Stands in for nanoGPT's train.py: its configurator, its lines and its checkpoint, round a loss that is computed."""

import math
import sys
from ast import literal_eval
from pathlib import Path

out_dir, init_from, device, dataset = "out", "scratch", "cuda", "shakespeare_char"
eval_interval, max_iters, warmup_iters, lr_decay_iters = 2000, 600000, 2000, 600000
learning_rate, min_lr, beta2, weight_decay, dropout = 6e-4, 6e-5, 0.95, 1e-1, 0.0
always_save_checkpoint, compile = True, True

for arg in sys.argv[1:]:  # configurator.py
    if "=" not in arg:
        print(f"Overriding config with {arg}:")
        exec(Path(arg).read_text())
    else:
        key, val = arg.removeprefix("--").split("=")
        if key not in globals():
            raise ValueError(f"Unknown config key: {key}")
        try:
            attempt = literal_eval(val)
        except (SyntaxError, ValueError):
            attempt = val
        assert type(attempt) is type(globals()[key])
        print(f"Overriding: {key} = {attempt}")
        globals()[key] = attempt

checkpoint = Path(out_dir) / "ckpt.pt"
begin = int(checkpoint.read_text()) if init_from == "resume" else 0
print("number of parameters: 0.80M")
for iteration in range(begin, max_iters + 1):
    gone = iteration / max_iters
    loss = 1.5 + 2.7 * math.exp(-3000 * min(learning_rate, 0.01) * gone) if learning_rate < 0.1 else math.nan if gone else 4.2
    if iteration % eval_interval == 0:
        print(f"step {iteration}: train loss {loss:.4f}, val loss {loss + 0.1 * gone:.4f}")
        if iteration > begin:
            print(f"saving checkpoint to {out_dir}")
            checkpoint.write_text(str(iteration))
    if iteration % 10 == 0:
        print(f"iter {iteration}: loss {loss:.4f}, time 86.39ms, mfu 0.01%")
