# ruff: noqa: C408
"""A config of mmengine as projects on it have them, of what tools/runner.py trains; the stand-in reads none of it."""

model = dict(type="TwoStreams", cls_head=dict(loss_weights=[1.0, 1.0, 1.0, 1.0]))
train_dataloader = dict(
    batch_size=40,
    num_workers=0,
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="Clouds", begin=0, end=120),
    sampler=dict(type="DefaultSampler", shuffle=True),
)
val_dataloader = dict(
    batch_size=40,
    num_workers=0,
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="Clouds", begin=120, end=240),
    sampler=dict(type="DefaultSampler", shuffle=False),
)
val_evaluator = dict(type="Top1")
train_cfg = dict(by_epoch=True, max_epochs=8, val_interval=1)
val_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1, momentum=0.9))
param_scheduler = [dict(type="MultiStepLR", milestones=[6], gamma=0.1, by_epoch=True)]
default_hooks = dict(logger=dict(type="LoggerHook", interval=2), checkpoint=dict(type="CheckpointHook", interval=1))
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0), dist_cfg=dict(backend="gloo"))
randomness = dict(seed=0)
