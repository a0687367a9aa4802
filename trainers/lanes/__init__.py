"""Train K lanes, trainings of one model, as one: every tensor has a leading lane axis of length K; start at `learner`.

The idea is HFTA's (Wang et al., MLSys 2021): a search over numbers never changes a tensor's shape, so K trials can share every
operation. Nothing here mixes lanes: lane k of K equals the same training alone.
"""
