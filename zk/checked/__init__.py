"""Products that are claimed and checked at a random point: ``docs/design/commit-and-challenge.md`` is the specification."""
