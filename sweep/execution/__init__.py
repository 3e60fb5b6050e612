"""Ray: the cluster that is joined, the one Tune run of a sweep, and the workers that train."""
