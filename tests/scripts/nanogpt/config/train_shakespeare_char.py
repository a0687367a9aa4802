# as nanoGPT's own of this name, which train.py executes
eval_interval = 250
learning_rate = 1e-3
max_iters = 5000
lr_decay_iters = 5000
min_lr = 1e-4
beta2 = 0.99
warmup_iters = 100
dropout = 0.2
