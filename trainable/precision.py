"""Where a process trains, and in which precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

__all__ = ["accelerator", "trained_on", "uses_bf16"]


def accelerator() -> torch.device:
    """Return the GPU that this process sees first, or the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def uses_bf16(precision: Literal["auto", "fp32", "bf16"], device: torch.device) -> bool:
    """Return whether the field `precision` means mixed precision in bfloat16 on a device."""
    import torch

    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bf16"


def trained_on(device: torch.device, *, bf16: bool) -> str:
    """Return device and precision in words, such as `NVIDIA L4 (bf16)` or `cpu (fp32)`."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{name} ({'bf16' if bf16 else 'fp32'})"
