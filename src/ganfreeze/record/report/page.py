"""The report on a sweep, as a Markdown page with pictures beside it, and as one HTML page that holds everything."""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt

from ganfreeze.commands import as_typed
from ganfreeze.evaluation import protocol_card
from ganfreeze.record.report import formats, groups, statistics, words
from ganfreeze.record.report.query import RecordedRun
from ganfreeze.record.report.statistics import VarianceSplit
from ganfreeze.record.report.summary import Figure, Summary

# Where these differ, runs of the same seed may see other batches or noise, or start from other weights.
_DECISIVE = {"packing", "batch_size", "latent", "dataset", "architecture", "update"}
_HARMLESS = {"update.judge", "update.order"}  # of them
_DIRECTIONS = {True: "Larger is better", False: "Smaller is better", None: "Nobody said what is better"}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 14px; margin: 1rem 0 }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .7rem; text-align: left }
img { max-width: 100% } pre { background: #f5f5f5; padding: .7rem; overflow-x: auto; font-size: 13px }
"""


class Evidence(NamedTuple):
    """What a report shows beside the summary.

    `charts` and `samples` are PNGs by their titles; `why` says of each failed run, by its id, why it failed. `splits`
    holds the variance of each figure, by the variant and the figure's name, where it was measured.
    """

    title: str
    command: str
    charts: Mapping[str, bytes]
    samples: Mapping[str, bytes]
    why: Mapping[str, str]
    splits: Mapping[tuple[str, str], VarianceSplit]


def page(summary: Summary, evidence: Evidence) -> tuple[str, Mapping[str, bytes]]:
    """Return the report as Markdown, and the pictures that it shows, by their file names."""
    pictures = {**evidence.charts, **evidence.samples}
    names = {title: f"{number:02}_{_file_name(title)}.png" for number, title in enumerate(pictures, 1)}
    parts = [
        f"# {evidence.title}\n",
        _compared(summary),
        _identical(summary),
        *(_figure(summary, figure) for figure in summary.figures),
        _section("Variance", _variance(evidence)),
        _section("Curves", _curves({title: names[title] for title in evidence.charts})),
        _section("Samples", "".join(f"{_plain(title)}\n\n![]({names[title]})\n\n" for title in evidence.samples)),
        _section("Cost and audit", _cost(summary)),
        _section("Runs that did not finish", _failed(summary, evidence.why)),
        _section("What all runs share", _shared(summary)),
        _section("Protocol", "".join(_protocol(summary.runs))),
        _section("Where it comes from", _provenance(summary.runs, evidence.command)),
    ]
    return "\n".join(part for part in parts if part), {names[title]: data for title, data in pictures.items()}


def html(text: str, pictures: Mapping[str, bytes]) -> str:
    """Return a Markdown page as HTML, with the pictures inside. It loads nothing else."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    for name, data in pictures.items():
        address = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        body = body.replace(f'src="{name}"', f'src="{address}"')
    title = re.sub(r"[<>&]", "", text.splitlines()[0].lstrip("# "))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<body>{body}</body></html>\n"
    )


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60]


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is: names and messages of runs can add nothing to the page."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", " ".join(text.split()))


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _compared(summary: Summary) -> str:
    seeds = sorted({run.seed for run in summary.runs})
    differing = {key.partition(".")[0] for group in summary.groups for key in group.words if key not in _HARMLESS}
    pairs = (
        "Runs are compared in pairs of the same seed; their batches, noise or initial weights differ."
        if differing & _DECISIVE
        else "Runs of the same seed see the same batches and noise and start from the same weights, so they are "
        "compared in pairs."
    )
    return (
        f"{len(summary.groups)} variants, {len(summary.runs)} runs, seeds {', '.join(map(str, seeds))}. The baseline "
        f"is {_plain(summary.baseline)}.\n\n"
        f"{pairs} Intervals are 95% intervals of the mean: studentized bootstrap, or Student's t with fewer than five "
        "runs. P-values are corrected for the number of comparisons of a figure (Holm), for each figure apart.\n"
    )


def _identical(summary: Summary) -> str:
    if not summary.twins:
        return ""
    lines = []
    for first in dict.fromkeys(summary.twins.values()):
        twins = [_plain(name) for name, twin in summary.twins.items() if twin == first]
        lines.append(f"- **Identical** to {_plain(first)}: {'; '.join(twins)}.\n")
    return (
        "The final weights and all figures of identical variants are equal to the bit, seed by seed. Such variants "
        f"count as one comparison, and their figures, curves and samples are shown once.\n\n{''.join(lines)}"
    )


def _shared(summary: Summary) -> str:
    shared = groups.constants(summary.runs)
    return _plain(", ".join(f"{key}={value}" for key, value in shared.items())) + "\n"


def _figure(summary: Summary, figure: Figure) -> str:
    direction = _DIRECTIONS[figure.larger_is_better]
    real = "" if figure.real is None else f" Held-out real data gets {formats.number(figure.real)}."
    text = f"{direction}.{real}\n\n"
    if figure.refused:
        return _section(figure.name, f"{text}Not comparable: the protocols differ in {figure.refused}.\n")
    rows = []
    for group in summary.distinct:
        if group.name in figure.estimates:
            estimate, values = figure.estimates[group.name], list(figure.values[group.name].values())
            cells = [formats.number(estimate.mean), words.interval(estimate)]
            middle = formats.number(statistics.interquartile_mean(values)) if len(values) > 3 else "-"
            rows.append([_plain(group.name), str(estimate.runs), *cells, middle])
    text += formats.markdown(["variant", "runs", "mean", "95% interval", "interquartile mean"], rows)
    verdicts = _verdicts(summary, figure)
    return _section(figure.name, f"{text}\n{verdicts}" if verdicts else text)


def _verdicts(summary: Summary, figure: Figure) -> str:
    header = ["against the baseline", "verdict", "pairs", "difference", "95% interval", "effect size"]
    header += ["probability of improvement", "p"]
    rows = [
        [
            _plain(name),
            f"**{words.verdict(verdict)}**",
            *words.comparison(verdict.comparison),
            words.p_value(verdict.p_value),
        ]
        for name, verdict in figure.verdicts.items()
        if name not in summary.twins
    ]
    note = f"Equivalent: the mean difference is within ± {formats.number(figure.margin)}. "
    if any(verdict.word == "inconclusive" for verdict in figure.verdicts.values()):
        note += f"Seeds that would decide: {words.POWER_NOTE}."
    return f"{formats.markdown(header, rows)}\n{note}\n" if rows else ""


def _curves(names: Mapping[str, str]) -> str:
    if not names:
        return ""
    note = "Lines are means over the runs of a variant; bands reach from its smallest value to its largest.\n\n"
    return note + "".join(f"![{title}]({name})\n\n" for title, name in names.items())


def _variance(evidence: Evidence) -> str:
    if not evidence.splits:
        return as_typed(
            "How far the figures vary with the seed of the samples alone was not measured. "
            "`python src/evaluate.py run=RUN_ID samples_seeds=5` measures it for a run.\n"
        )
    rows = [
        [_plain(group), figure, formats.number(split.training), formats.number(split.sampling)]
        for (group, figure), split in evidence.splits.items()
    ]
    return formats.markdown(["variant", "figure", "deviation over training seeds", "over seeds of the samples"], rows)


def _cost(summary: Summary) -> str:
    rows = []
    for group in summary.groups:
        seconds = [run.seconds / run.at_once for run in group.runs if run.is_finished]
        rates = [run.run.metrics["steps_per_second"] for run in group.runs if "steps_per_second" in run.run.metrics]
        audits = sorted({run.run.audit or "-" for run in group.runs})
        rows.append(
            [
                _plain(group.name),
                formats.duration(sum(seconds)) if seconds else "-",
                formats.number(sum(rates) / len(rates)) if rates else "-",
                ", ".join(audits),
            ]
        )
    return formats.markdown(["variant", "time of the finished runs", "steps/s", "audit"], rows)


def _failed(summary: Summary, why: Mapping[str, str]) -> str:
    rows = [
        [_plain(group.name), str(run.seed), run.run.status, _plain(why.get(run.run.id, "")) or "-"]
        for group in summary.groups
        for run in group.runs
        if not run.is_finished
    ]
    return formats.markdown(["variant", "seed", "status", "why"], rows) if rows else ""


def _protocol(runs: Sequence[RecordedRun]) -> Iterator[str]:
    """Yield each protocol card once, without the metrics of held-out images, which stand beside the figures."""
    shown = set()
    for run in runs:
        for name, card in run.run.cards.items():
            text = json.dumps({key: value for key, value in card.items() if key != protocol_card.HELD_OUT}, indent=1)
            if (name, text) not in shown:
                shown.add((name, text))
                yield f"{name}:\n\n```json\n{text}\n```\n\n"


def _provenance(runs: Sequence[RecordedRun], command: str) -> str:
    versions = sorted(
        {f"{key.removeprefix('version.')} {run.tags[key]}" for run in runs for key in run.tags if "version." in key}
    )
    commits = sorted({run.tags.get("mlflow.source.git.commit", "unknown")[:12] for run in runs})
    changed = any(run.tags.get("ganfreeze.git.dirty") == "true" for run in runs)
    machine = sorted(
        {
            f"{run.tags['machine.processor']}, cores: {run.tags['machine.cores']}"
            for run in runs
            if "machine.processor" in run.tags
        }
    )
    commands = dict.fromkeys(run.tags.get("ganfreeze.command", "") for run in runs)
    return (
        "```sh\n" + "\n".join([*filter(None, commands), command]) + "\n```\n\n"
        f"Commit {', '.join(commits)}{', with changes that were not committed' if changed else ''}. "
        f"{'; '.join(machine) or 'The machine was not recorded'}. {', '.join(versions)}.\n"
    )
