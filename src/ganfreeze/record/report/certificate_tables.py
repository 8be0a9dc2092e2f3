"""Certificates as text, tables and a plot: pure functions."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ganfreeze.proof.certificate import Certificate, Difference, verdict
from ganfreeze.record.report import formats

_HEADER = ("precision", "a", "b", "step", "variable", "absolute", "relative", "ulp")


def markdown(pairs: Sequence[Sequence[Certificate]]) -> str:
    """A table with a line for each pair of variants: the verdict, the largest relative difference in each precision,
    and where they part."""
    precisions = [each.precision for each in pairs[0]]
    header = ["a", "b", "verdict", *(f"largest in {each}" for each in precisions), "first beyond the tolerance"]
    return formats.markdown(header, (_row(pair) for pair in pairs))


def table(certificates: Sequence[Certificate]) -> str:
    """Every difference as CSV: a line for each precision, step and variable."""
    return _csv((certificate, each) for certificate in certificates for each in certificate.differences)


def by_step(pairs: Sequence[Sequence[Certificate]]) -> str:
    """The largest relative difference as CSV: a line for each pair, precision and step."""
    certificates = [certificate for pair in pairs for certificate in pair]
    return _csv((certificate, each) for certificate in certificates for _, each in certificate.by_step())


def _csv(differences: Iterable[tuple[Certificate, Difference]]) -> str:
    rows = []
    for certificate, each in differences:
        place = (certificate.precision, certificate.a, certificate.b, each.step, each.variable)
        rows.append((*place, f"{each.absolute:.6g}", f"{each.relative:.6g}", f"{each.ulp:.0f}"))
    return formats.comma_separated(_HEADER, rows)


def plot(pairs: Sequence[Sequence[Certificate]], path: Path, title: str) -> None:
    """Draw the largest relative difference against the step, a panel for each precision, and write it to `path`.

    The lines of pairs that are bitwise equal lie at the bottom, one on the other.
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
            drawn = [max(each.relative, _NOTHING) for each in worst]
            style = {"color": f"C{color % 10}", "linestyle": ("-", "--")[color // 10 % 2], "linewidth": 1.3}
            panel.semilogy(steps, drawn, label=f"{pair[number].b}: {verdict(pair)}", **style)
        panel.axhline(pairs[0][number].tolerance, color="grey", linestyle=":", linewidth=1)
        panel.set(xlabel="step", title=pairs[0][number].precision)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"largest relative difference to {pairs[0][0].a}")
    panels[0].set_ylim(_NOTHING / 10, 30)
    panels[0].set_yticks([_NOTHING, *(10.0**power for power in range(-15, 1, 3))])
    panels[0].set_yticklabels(["bitwise\nequal", *(f"$10^{{{power}}}$" for power in range(-15, 1, 3))])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    figure.suptitle(f"{title} (dotted: the tolerance)", fontsize="medium")
    figure.savefig(path, dpi=110)


_NOTHING = 1e-18  # where a difference of exactly 0 is drawn


def _row(pair: Sequence[Certificate]) -> list[str]:
    largest = [f"{each.largest.relative:.1e}" if each.verdict != "identical" else "0" for each in pair]
    return [pair[0].a, pair[0].b, f"**{verdict(pair)}**", *largest, "; ".join(_partings(pair)) or "-"]


def _partings(pair: Sequence[Certificate]) -> Iterator[str]:
    for each in pair:
        if parting := each.parting:
            yield f"{each.precision}: step {parting.step}, `{parting.variable}`, {parting.relative:.1e}"
