"""What a sweep shall do, from YAML to a complete and consistent `SweepSpec`.

    reader -> layers (file, --set) -> document (YAML with places) -> paths -> model: blocks, completion, consistency

Every mistake has a place, a rule, the value received and a remedy (`mistakes`, `wording`); all are reported at once.
"""
