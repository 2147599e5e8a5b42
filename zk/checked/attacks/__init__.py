"""A cheating prover of checked circuits, and verifiers from which one check is taken away."""
