"""The workloads as one writes them by hand in PyTorch, one trial at a time: what lanes are measured against.

A file each, with ``load()`` and ``begin(data, params, epochs, seed)``. Data, model shape, batches, losses, optimizer and schedule
are the trainer's; the optimizer is PyTorch's fused one. Readings are fewer: both losses, the objective, and the norm of each
step's gradient, which takes about a sixth of the time where steps are short. Hyperparameters but ``lr`` and ``weight_decay`` keep
the trainer's defaults.
"""
