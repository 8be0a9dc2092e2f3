"""Compare ways to hold a GAN's discriminator still while its generator learns, and measure whether it matters.

The names below are loaded when they are used: `import ganfreeze` alone imports nothing. docs/from_python.md shows them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganfreeze.api import (
        BadInput,
        Diverged,
        Run,
        audit,
        certify,
        density_coverage,
        evaluate,
        frechet_distance,
        inception_score,
        kernel_distance,
        picture,
        precision_recall,
        report,
        sample,
        train,
    )

__all__ = [
    "BadInput",
    "Diverged",
    "Run",
    "audit",
    "certify",
    "density_coverage",
    "evaluate",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "picture",
    "precision_recall",
    "report",
    "sample",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ganfreeze' has no attribute {name!r}")
    from ganfreeze import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
