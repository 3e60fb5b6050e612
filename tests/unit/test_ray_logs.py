"""The folder of Ray's logs that messages name is the one in which Ray writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray._common.utils import get_default_ray_temp_dir

from sweep.execution.private_ray import logs_folder


@pytest.mark.parametrize("set_", [{}, {"TMPDIR": "/scratch/me"}, {"TMPDIR": "/scratch/me", "RAY_TMPDIR": "/fast"}])
def test_it_is_where_ray_says(set_: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    assert logs_folder().parents[1] == Path(get_default_ray_temp_dir())  # type: ignore[no-untyped-call]
