"""The collapse signatures for trainings that another library runs: Optuna, Ray Tune, Lightning, Hugging Face.

Each module imports its own library and nothing else that is heavy; what they share is ``watch``.
"""
