"""Types that all packages share: tensors, metrics, allowed ranges, phases, and the choices that a part supports."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

# These are Any, because naming the classes would import TensorFlow or a Keras.
Tensor = Any  # a tf.Tensor, or what tf.convert_to_tensor accepts
Variable = Any  # a variable of either Keras
Model = Any  # a keras.Model of either Keras

Metrics = Mapping[str, float]  # by name
TensorMetrics = Mapping[str, Tensor]  # metrics that are not yet fetched from the device

# The constructors of parts are annotated with these ranges. The values of a config are checked against them.
Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
SignedMomentum = Annotated[float, Field(gt=-1, lt=1)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Folder = Annotated[str, Field(description="a folder")]
Address = Annotated[str, Field(description="an address")]

PhaseName = Literal["discriminator", "generator"]
Latent = Literal["normal", "uniform"]  # what latent vectors are drawn from: N(0, I), or U(-1, 1) in each dimension
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16", "float64"]

# Values by the key of a config ("keras", "update.batches"). A part lists in Choices what it supports, if it does not
# support everything. Choices are checked before TensorFlow is imported.
Choices = Mapping[str, Sequence[str | bool | int | None]]

# The config groups: the folders of conf/, in the order in which their parts are checked.
GROUPS = (
    "keras",
    "strategy",
    "update",
    "architecture",
    "freeze",
    "loss",
    "regularizer",
    "optimizer",
    "schedule",
    "dataset",
    "evaluator",
    "tracker",
)
