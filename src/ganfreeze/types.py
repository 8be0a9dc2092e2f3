"""The words of the project as types: what is passed between the parts, and what a part must be able to do."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

Tensor = Any  # a tf.Tensor or what tf.convert_to_tensor takes; naming the class here would import TensorFlow
Variable = Any  # a variable of either Keras
Model = Any  # a keras.Model of either Keras
Metrics = Mapping[str, float]

Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]

PhaseName = Literal["discriminator", "generator"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16", "float64"]

# What a part can do, where it cannot do everything: by the key of a config ("keras", "update.batches"), the values that
# go with it. It is asked before TensorFlow is imported.
Choices = Mapping[str, Sequence[str | bool | int]]
