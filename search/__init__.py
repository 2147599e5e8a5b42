"""The search: spaces, constraints, studies, their record and their report."""
