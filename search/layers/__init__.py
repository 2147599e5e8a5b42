"""The benchmark of CNN layers as a study: a fixed grid, a record in MLflow, a page."""
