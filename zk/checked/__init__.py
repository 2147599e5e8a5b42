"""Products that are claimed and checked at a random point, as ``docs/design/commit-and-challenge.md`` specifies."""
