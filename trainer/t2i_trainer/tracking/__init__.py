"""Tracking of a project's training by an MLflow server, which may be slow, wrong or away without harm to it."""
