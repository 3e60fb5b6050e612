"""Where a process trains, and in which precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["accelerator", "gpu_count", "is_faster_in_bf16", "trained_on"]

_WIDE = 256
"""Size of a token's state from which mixed precision pays on a CPU. Measured on one with AMX and one with AVX-512 BF16:
0.7 to 0.8 of the speed at 32, as fast or little faster at 128, 1.3 to 1.5 times at 256, 1.4 to 1.7 at 384 and 768
(`tests/benchmarks/README.md#training-in-mixed-precision`)."""

_MULTIPLIES = ("amx_bf16", "avx512_bf16")
"""What torch calls the instructions of a processor that multiply bfloat16: Intel's since 2023, and AMD's since Zen 4.
Without them it is emulated, and slower than fp32."""


def accelerator() -> torch.device:
    """Return the GPU that this process sees first, or the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def gpu_count() -> int:
    """Return how many GPUs this process sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def is_faster_in_bf16(device: torch.device, width: int) -> bool:
    """Return whether a device computes an encoder faster in mixed precision of bfloat16 and fp32.

    width: size of a token's state in that encoder.

    A GPU does if it has bfloat16 of its own, a CPU if it multiplies bfloat16 and the encoder is wide.
    """
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # an older torch does not tell
    return width >= _WIDE and any(capabilities.get(name) for name in _MULTIPLIES)


def trained_on(device: torch.device, *, bf16: bool) -> str:
    """Return device and precision in words, such as `NVIDIA L4 (bf16)` or `cpu (fp32)`."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{name} ({'bf16' if bf16 else 'fp32'})"
