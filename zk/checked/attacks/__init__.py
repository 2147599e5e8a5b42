"""A cheating prover of checked circuits, and verifiers from which one check is taken away.

An attack makes a complete bundle that claims success (:mod:`zk.checked.attacks.forgery`): only the verifier's checks,
or EZKL's refusal to prove what no table holds, stand in its way. A mutation takes one of these away and names the
attack that then passes (:mod:`zk.checked.attacks.mutations`). ``benchmarks/attacks.py`` prints both tables.

The prover has all that EZKL offers in its hands, keys and circuits of its own included. It does not run a changed
halo2, and does not know the SRS's secret. Networks are tiny, their height 2**9, and their latents long enough that
integers of nine bits solve an equation over the field: so values chosen after a challenge pass every range check.
"""
