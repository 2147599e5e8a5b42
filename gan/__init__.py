"""Conditional generative adversarial networks: architectures, data and training."""
