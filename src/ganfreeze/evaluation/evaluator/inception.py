"""Metrics by the Inception-v3 graph that TF-GAN uses: the published FID and Inception Score."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.extractor import inception
from ganfreeze.evaluation.extractor.base import Extractor
from ganfreeze.evaluation.feature_evaluator import FeatureEvaluator, Metric
from ganfreeze.types import Folder


@dataclass(frozen=True, kw_only=True)
class Inception(FeatureEvaluator):
    """An evaluator on the 2,048 features of Inception's last pool, and its 1,008 logits.

    The graph is TF-Hub's `tfgan/eval/inception/1`.

    - `weights`: the folder of a SavedModel of the same signature; null: the graph comes from TF-Hub, or from the folder
      that TFHUB_CACHE_DIR names.
    - `resize`: how images are brought to 299x299: "tfgan" by bilinear interpolation, as TF-GAN's examples do, "clean"
      by bicubic interpolation with antialiasing (Parmar, Zhang, Zhu 2022).

    Both differ from the original FID code (Heusel et al. 2017). That code resizes inside its graph, by the bilinear
    operation of TensorFlow 1 without half-pixel centres: output pixel i lies at i * side / 299 of the image, here at
    (i + 1/2) * side / 299 - 1/2. So its images are shifted by up to half a pixel of the small image, and the right and
    lower edges are repeated. It then scales by (x - 128) / 128, here by x / 127.5 - 1. Values are comparable with those
    of TF-GAN, not to the last digit with those of the original code.

    Published values take 50,000 samples, and 10 splits for the Inception Score.

    Source: Heusel et al. 2017 (FID); Salimans et al. 2016 (Inception Score); Binkowski et al. 2018 (KID).
    """

    NAME = "inception"

    weights: Folder | None = None
    resize: Literal["tfgan", "clean"] = "tfgan"

    def _check(self, dataset: Dataset) -> None:
        if dataset.example_shape[2] not in (1, 3):
            raise BadInput(
                f"evaluator=inception needs grey or RGB images; dataset={dataset.name} has {dataset.example_shape[2]} "
                "channels."
            )
        if self.weights is not None and not (Path(self.weights) / "saved_model.pb").is_file():
            raise BadInput(
                f"evaluator.weights={self.weights}: must be the folder of a SavedModel, with saved_model.pb in it; or "
                "null, to use TF-Hub's."
            )

    def _left_out(self, dataset: Dataset) -> Mapping[Metric, str]:
        return {}

    def _extractor(self, dataset: Dataset) -> Extractor:
        return inception.extractor(self.weights, self.resize)
