"""The records of a sweep as plain values, from which verdict, report and MLflow runs are computed."""
