"""The durable record of a sweep: an Optuna storage in a journal file or in Postgres, its lock, and its transfer."""
