"""The benchmark of CNN layers: what each costs to prove, with EZKL's defaults and with the planner's best circuit."""
