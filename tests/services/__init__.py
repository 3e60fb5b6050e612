"""Real programs that tests stand on (servers, clusters, processes in sessions), and how to wait for them."""
