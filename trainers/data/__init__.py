"""Data that trainers learn from: tables of features with two classes, and how they are split."""
