"""What a sweep has recorded, as plain values: what the verdict, the report and MLflow are made of."""
