"""The specification of a sweep: from a YAML file to a complete and consistent `SweepSpec`, and to its cells.

    reader -> document (YAML with lines) -> layers (file, --set) -> paths -> model: completion, blocks, consistency

All mistakes are reported at once, each with its place, rule, received value and remedy (`mistakes`, `wording`).
`README.md` here is the reference of every field; `reference` renders it.
"""
