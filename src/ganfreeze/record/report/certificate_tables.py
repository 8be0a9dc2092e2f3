"""Show certificates as a Markdown table, as CSV and as a plot."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ganfreeze.proof.certificate import Certificate, Difference, verdict
from ganfreeze.record.report import formats

_HEADER = ("precision", "a", "b", "step", "variable", "absolute", "relative", "ulp")
_BITWISE_EQUAL = 1e-18  # a logarithmic axis has no 0: a difference of exactly 0 is drawn here


def markdown(pairs: Sequence[Sequence[Certificate]]) -> str:
    """Return a Markdown table with one line for each pair of variants.

    A pair has one certificate for each precision. The line shows the verdict, the largest relative difference in each
    precision, and the first difference beyond the tolerance.
    """
    precisions = [certificate.precision for certificate in pairs[0]]
    largest = [f"largest in {precision}" for precision in precisions]
    return formats.markdown(["a", "b", "verdict", *largest, "first beyond the tolerance"], map(_row, pairs))


def table(certificates: Sequence[Certificate]) -> str:
    """Return every difference as CSV, with one line for each precision, step and variable."""
    return _csv((certificate, difference) for certificate in certificates for difference in certificate.differences)


def by_step(pairs: Sequence[Sequence[Certificate]]) -> str:
    """Return the largest relative differences as CSV, with one line for each pair, precision and step."""
    certificates = [certificate for pair in pairs for certificate in pair]
    return _csv((certificate, worst) for certificate in certificates for _, worst in certificate.by_step())


def plot(pairs: Sequence[Sequence[Certificate]], path: Path, title: str) -> None:
    """Plot the largest relative difference over the steps, one panel for each precision, and write it to `path`.

    Pairs that are bitwise equal share one line at the bottom.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    legend = 0.22 * ((len(pairs) + 1) // 2)
    figure = Figure(figsize=(4.6 * len(pairs[0]) + 1, 3.8 + legend), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(pairs[0]), sharey=True, squeeze=False)[0]
    for number, panel in enumerate(panels):
        for color, pair in enumerate(pairs):
            steps, worst = zip(*pair[number].by_step(), strict=True)
            heights = [max(difference.relative, _BITWISE_EQUAL) for difference in worst]
            style = {"color": f"C{color % 10}", "linestyle": ("-", "--")[color // 10 % 2], "linewidth": 1.3}
            panel.semilogy(steps, heights, label=f"{pair[number].b}: {verdict(pair)}", **style)
        panel.axhline(pairs[0][number].tolerance, color="grey", linestyle=":", linewidth=1)
        panel.set(xlabel="step", title=pairs[0][number].precision)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"largest relative difference to {pairs[0][0].a}")
    panels[0].set_ylim(_BITWISE_EQUAL / 10, 30)
    panels[0].set_yticks([_BITWISE_EQUAL, *(10.0**power for power in range(-15, 1, 3))])
    panels[0].set_yticklabels(["bitwise\nequal", *(f"$10^{{{power}}}$" for power in range(-15, 1, 3))])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    figure.suptitle(f"{title} (dotted: the tolerance)", fontsize="medium")
    figure.savefig(path, dpi=110)


def _csv(differences: Iterable[tuple[Certificate, Difference]]) -> str:
    rows = []
    for certificate, difference in differences:
        key = (certificate.precision, certificate.a, certificate.b, difference.step, difference.variable)
        sizes = (f"{difference.absolute:.6g}", f"{difference.relative:.6g}", f"{difference.ulp:.0f}")
        rows.append((*key, *sizes))
    return formats.comma_separated(_HEADER, rows)


def _row(pair: Sequence[Certificate]) -> list[str]:
    largest = [
        f"{certificate.largest.relative:.1e}" if certificate.verdict != "identical" else "0" for certificate in pair
    ]
    return [pair[0].a, pair[0].b, f"**{verdict(pair)}**", *largest, "; ".join(_first_differences(pair)) or "-"]


def _first_differences(pair: Sequence[Certificate]) -> Iterator[str]:
    for certificate in pair:
        if difference := certificate.first_difference:
            yield f"{certificate.precision}: step {difference.step}, `{difference.variable}`, {difference.relative:.1e}"
