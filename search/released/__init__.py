"""Generators that come with the project, and proofs of their images."""
