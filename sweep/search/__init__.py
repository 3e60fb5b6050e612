"""The search: proposals of configurations, pruning, and selection of winners, as pure functions or rules for Optuna."""
