"""Rebuilding a trial from its MLflow record, and saying how near it comes."""
