"""Which configurations are proposed, which are pruned, and which of them win: pure functions, or rules for Optuna."""
