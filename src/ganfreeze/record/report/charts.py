"""The figures of a report, drawn by Matplotlib: learning curves with bands, and performance profiles."""

import io
import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Canvas

from ganfreeze.record.report import statistics
from ganfreeze.record.report.comparison import History
from ganfreeze.record.report.summary import Figure

_SIZE = (7.0, 3.4)  # inches, without a legend
_LINE = 0.19  # inches: the height of a line of the legend
_LETTERS = 110  # of a line of the legend
_MOST = 10  # variants in a chart
_STYLES = ("-", "--", ":", "-.")  # so that equal curves are both seen


def learning_curves(metric: str, curves: Mapping[str, Sequence[History]]) -> bytes:
    """Return a PNG of a metric over the steps: for each variant the mean of its runs, and a band from worst to best.

    Only steps that all runs of a variant have are drawn, and only the first ten variants.
    """
    with mpl.rc_context({"font.size": 9}):
        canvas, axes = _canvas("step", metric)
        for style, (name, histories) in zip(cycle(_STYLES), list(curves.items())[:_MOST], strict=False):
            steps = sorted(set.intersection(*(set(dict(history)) for history in histories))) if histories else []
            values = np.array([[dict(history)[step] for step in steps] for history in histories])
            if not steps:
                continue
            (line,) = axes.plot(steps, values.mean(0), style, label=name, marker="." if len(steps) < 15 else "")
            axes.fill_between(steps, values.min(0), values.max(0), color=line.get_color(), alpha=0.2, linewidth=0)
        return _png(canvas, axes, _left_out(len(curves)))


def profiles(figure: Figure, variants: Sequence[str]) -> bytes:
    """Return a PNG of the performance profiles: the share of a variant's runs that reach a value or better."""
    values = [value for by_seed in figure.values.values() for value in by_seed.values()]
    thresholds = np.linspace(min(values), max(values), 200)
    with mpl.rc_context({"font.size": 9}):
        canvas, axes = _canvas(figure.name, "share of runs as good or better")
        for style, name in zip(cycle(_STYLES), variants[:_MOST], strict=False):
            if by_seed := figure.values[name]:
                shares = statistics.profile(
                    list(by_seed.values()), thresholds.tolist(), larger_is_better=bool(figure.larger_is_better)
                )
                axes.plot(thresholds, shares, style, label=name, drawstyle="steps-post")
        return _png(canvas, axes, _left_out(len(variants)))


def history(metric: str, values: Mapping[int, float], best: Sequence[float]) -> bytes:
    """Return a PNG of the values of trials by their numbers, and of the best so far."""
    with mpl.rc_context({"font.size": 9}):
        canvas, axes = _canvas("trial", metric)
        axes.plot(list(values), list(values.values()), ".", label="a trial")
        axes.plot(list(values), best, "-", drawstyle="steps-post", label="the best so far")
        return _png(canvas, axes)


def _canvas(x: str, y: str) -> tuple[Canvas, Any]:
    canvas = Canvas(figsize=_SIZE, layout="constrained")
    axes = canvas.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return canvas, axes


def _left_out(variants: int) -> str:
    """Say that a chart does not show all of so many variants, "" if it does."""
    return f"The first {_MOST} of {variants} variants" if variants > _MOST else ""


def _png(canvas: Canvas, axes: Any, title: str = "") -> bytes:
    """Return the chart with its legend below, in as many columns as the names leave room for."""
    _, labels = axes.get_legend_handles_labels()
    if labels:
        columns = max(1, _LETTERS // (max(map(len, labels)) + 8))
        canvas.set_figheight(_SIZE[1] + _LINE * math.ceil(len(labels) / columns))
        canvas.legend(loc="outside lower left", ncols=columns, title=title or None, frameon=False, fontsize=8)
    data = io.BytesIO()
    canvas.savefig(data, format="png", dpi=150, metadata={"Software": None})
    return data.getvalue()
