"""The files of trainings where not every node sees the folder of the study: how they travel, and where they are stored."""
