"""Sweeps for tests: small specs, ledgers in known states, synthetic results, and the checks of an ended sweep."""
