"""Variants of a sweep, their figures and verdicts, and the tables and pages that show them."""

import csv
import io
import math
import re

import pytest
from report_runs import CARD, recorded, sweep

from ganfreeze.errors import BadInput
from ganfreeze.record.report import charts, expected, groups, page, paper, sweep_table
from ganfreeze.record.report.summary import summarise

THREE = sweep(tape=[20.0, 22.0, 21.0, 23.0], compile=[30.0, 32.2, 31.0, 33.0], toggle=[20.0, 22.0, 21.0, 23.0])


def rows_of(runs, **options):
    return [line.rstrip() for line in sweep_table.sweep_table(summarise(runs, **options)).splitlines()]


def test_variants_are_what_differs_beside_the_seed():
    runs = [
        recorded(1, {}, seed=0, steps="100", update="alternating", **{"update.batches": "joint", "cadence.log": "1"}),
        recorded(2, {}, seed=1, steps="100", update="alternating", **{"update.batches": "joint", "cadence.log": "2"}),
        recorded(3, {}, seed=0, steps="200", update="keras_gan", **{"update.batches": "split", "cadence.log": "1"}),
    ]
    found = groups.grouped(runs)
    assert [group.words for group in found] == [
        {"steps": "100", "update": "alternating"},
        {"steps": "200", "update": "keras_gan"},
    ], "update.batches is decided by update"
    assert [group.name for group in found] == ["steps=100 alternating", "steps=200 keras_gan"]
    assert [list(group.finished) for group in found] == [[0, 1], [0]]
    assert groups.constants(runs) == {"keras": "keras2", "strategy": "tape"}


def test_an_option_that_no_word_decides_makes_a_variant():
    runs = [
        recorded(n, {}, update="alternating", **{"update.judge": judge}) for n, judge in enumerate(("auto", "none"))
    ]
    assert [group.name for group in groups.grouped(runs)] == ["update.judge=auto", "update.judge=none"]


def test_a_seed_that_was_trained_again_counts_once():
    runs = [*sweep(tape=[1.0, 2.0]), recorded("again", {"classifier/fid": 3.0}, seed=1)]
    (figure,) = summarise(runs).figures
    assert figure.values == {"all": {0: 1.0, 1: 3.0}}


def test_the_table_has_a_line_for_each_variant_and_a_verdict():
    lines = rows_of(THREE)
    assert lines[0] == "all: keras2, 100 steps"
    assert lines[1].split() == ["variant", "seeds", "classifier/fid", "audit", "status", "verdict"]
    assert lines[2].split() == ["tape", "4", "21.5", "[19.4,", "23.6]", "clean", "FINISHED", "baseline"]
    assert lines[3].split() == ["toggle", "4", "21.5", "[19.4,", "23.6]", "clean", "FINISHED", "identical"]
    assert lines[4].split() == ["compile", "4", "31.6", "[29.4,", "33.7]", "clean", "FINISHED", "worse"]
    assert lines[5] == "Verdicts: on classifier/fid over the same seeds, against tape; equivalent: closer than 1.075."


def test_twins_beside_the_baseline_are_named():
    lines = rows_of(THREE, baseline="compile")
    assert "better" in lines[2]
    assert lines[3].endswith("identical to tape")


def test_thirty_runs_fit_a_screen():
    runs = [
        recorded(f"{strategy}{loss}{seed}", {"classifier/fid": 20.0 + seed}, seed=seed, strategy=strategy, loss=loss)
        for strategy in ("tape", "compile", "toggle")
        for loss in ("hinge", "minimax")
        for seed in range(5)
    ]
    lines = rows_of(runs)
    assert len(lines) < 24
    assert max(map(len, lines)) <= 160


def test_a_run_that_failed_is_counted_and_its_figure_is_not():
    runs = [
        *sweep(tape=[20.0, 22.0]),
        recorded(9, {"classifier/fid": 1.0}, seed=1, strategy="compile", status="FAILED"),
    ]
    lines = rows_of(runs)
    assert lines[3].split() == ["compile", "1", "-", "clean", "FAILED", "-"]


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.7976931348623157e308])
def test_a_run_that_diverged_at_the_end_has_no_figure(value):
    """MLflow keeps infinity as the largest number."""
    runs = sweep(tape=[20.0, value])
    (figure,) = summarise(runs).figures
    assert figure.values == {"all": {0: 20.0}}
    assert "20.0 of 1" in rows_of(runs)[2]


def test_real_data_that_were_held_out_are_the_last_line():
    held_out = {"classifier": {**CARD, "held_out": {"fid": 1.75, "samples": 360, "test_accuracy": 0.989}}}
    lines = rows_of([recorded(1, {"classifier/fid": 12.345, "steps_per_second": 9.0}, cards=held_out)])
    assert lines[1].split() == ["variant", "seeds", "classifier/fid", "steps/s", "audit", "status"]
    assert lines[2].split() == ["all", "1", "12.3", "9.000", "clean", "FINISHED"]
    assert lines[3].split() == ["real", "data,", "360", "held", "out", "1.750"]
    assert lines[4] == "The classifier's accuracy on held-out images: 0.989"


@pytest.mark.parametrize(
    ("card", "reason"), [({"samples": 500, "split": "train"}, "1000, 500"), ({}, "1000, not said")]
)
def test_metrics_of_different_protocols_are_refused(card, reason):
    metrics = {"classifier/fid": 1.0, "classifier/kid": 0.0012}
    cards = {"classifier": card} if card else {}
    runs = [recorded(1, metrics), recorded(2, metrics, strategy="compile", cards=cards)]
    lines = rows_of(runs)
    assert [line.split()[2:4] for line in lines[2:4]] == [["refused", "refused"]] * 2
    assert lines[-1].startswith(
        f"classifier/fid, classifier/kid: not comparable: the protocols differ in samples: {reason}"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"figure": "classifier/kid"}, "figure=classifier/kid: no run has it; classifier/fid"),
        ({"baseline": "tfgan"}, "baseline=tfgan: there is no such variant; tape, compile, toggle"),
    ],
)
def test_an_unknown_figure_or_baseline_is_named(options, message):
    with pytest.raises(BadInput, match=message):
        summarise(THREE, **options)


def evidence(**changes):
    values = {
        "title": "Report",
        "command": "python src/report.py",
        "charts": {},
        "samples": {},
        "why": {},
        "splits": {},
    }
    return page.Evidence(**values | changes)


def test_the_page_has_every_part():
    failed = recorded(
        9, {}, seed=4, strategy="compile", status="FAILED", tags={"ganfreeze.command": "python src/train.py"}
    )
    summary = summarise([*THREE, failed])
    curve = charts.learning_curves("fid", {"tape": [[(1, 2.0), (2, 1.0)], [(1, 3.0), (2, 2.0)]]})
    text, pictures = page.page(summary, evidence(charts={"A curve": curve}, why={"id9": "the disk is full"}))
    assert "| compile | **worse** | 4 | 10.1 |" in text
    assert "- **Identical** to tape: toggle.\n" in text
    assert "| compile | 4 | FAILED | the disk is full |" in text
    assert list(pictures) == ["01_a_curve.png"]
    html = page.html(text, pictures)
    assert "<strong>worse</strong>" in html
    assert not re.findall(r'(?:src|href)="(?!data:)', html), "the page needs no other file"


@pytest.mark.parametrize(
    "why", ["<script>alert(1)</script>", "![x](http://host/t.png)", "[x](http://host)", "a | b\n# c"]
)
def test_a_page_shows_a_runs_text_as_it_is(why):
    failed = recorded(9, {}, seed=4, status="FAILED")
    html = page.html(*page.page(summarise([*THREE, failed]), evidence(why={"id9": why})))
    assert not re.search("<script|<img|<a |<h1>c", html)
    assert html.count("<td>FAILED</td>") == 1
    assert len(re.findall("<td>", html.partition("<td>FAILED</td>")[2].partition("</tr>")[0])) == 1, "one cell for it"


def test_pictures_have_names_of_their_own():
    chart = charts.learning_curves("fid", {"a": [[(1, 2.0)]]})
    titles = ["momentum=-0.5", "momentum=0.5", "x" * 400]
    _, pictures = page.page(summarise(THREE), evidence(samples=dict.fromkeys(titles, chart)))
    assert len(pictures) == 3
    assert max(map(len, pictures)) < 80


def test_what_was_measured_again_is_no_figure():
    runs = sweep(tape=[20.0, 21.0], compile=[22.0, 23.0])
    runs[0].run.metrics["classifier-1000x5-ab12cd/fid"] = 1.0
    assert [figure.name for figure in summarise(runs).figures] == ["classifier/fid"]


def test_runs_are_identical_only_if_all_that_they_recorded_is():
    first = {"mixture/modes": 8.0, "generator_loss": 1.0, "steps_per_second": 5.0}
    runs = [recorded(1, first), recorded(2, {**first, "steps_per_second": 9.0}, strategy="compile")]
    assert summarise(runs).figures[0].verdicts["compile"].word == "identical"
    runs = [recorded(1, first), recorded(2, {**first, "generator_loss": 2.0}, strategy="compile")]
    assert summarise(runs).figures[0].verdicts["compile"].word == "inconclusive"


def test_runs_with_the_same_final_weights_are_identical_though_their_losses_are_rounded_otherwise():
    def runs(digest, fid):
        first = {"classifier/fid": 8.0, "generator_loss": 1.0}
        second = {"classifier/fid": fid, "generator_loss": 1.0 + 1e-7}
        return [
            recorded(1, first, tags={"weights.sha256": "a"}),
            recorded(2, second, tags={"weights.sha256": digest}, strategy="compile"),
        ]

    assert summarise(runs("a", 8.0)).figures[0].verdicts["compile"].word == "identical"
    assert summarise(runs("a", 8.0)).twins == {"compile": "tape"}
    for digest, fid in (("b", 8.0), ("a", 8.0 + 1e-12)):
        assert summarise(runs(digest, fid)).figures[0].verdicts["compile"].word == "inconclusive"


def test_variants_that_ended_the_same_count_as_one_comparison():
    """Holm's method would else make each of them a reason to doubt the others."""
    fids = {"tape": [10.0, 11.0, 12.0, 13.0], "compile": [12.0, 12.9, 14.1, 15.2], "toggle": [9.0, 12.0, 11.0, 14.0]}
    alone, doubled = summarise(sweep(**fids)), summarise(sweep(**fids, trace=fids["compile"], reverse=fids["compile"]))
    verdicts = doubled.figures[0].verdicts
    assert {name: verdicts[name] for name in alone.figures[0].verdicts} == alone.figures[0].verdicts
    assert verdicts["trace"] == verdicts["reverse"] == verdicts["compile"]
    assert [group.name for group in doubled.distinct] == [group.name for group in alone.groups]


def test_a_run_that_is_trained_again_does_not_hide_the_finished_one():
    runs = [*sweep(tape=[1.0, 2.0]), recorded("again", {}, seed=1, status="RUNNING")]
    assert summarise(runs).figures[0].values == {"all": {0: 1.0, 1: 2.0}}


def test_another_number_of_samples_makes_a_variant_and_is_refused():
    runs = [
        recorded(
            count,
            {"classifier/fid": 1.0},
            cards={"classifier": {"samples": count}},
            **{"evaluator.samples": str(count)},
        )
        for count in (500, 1000)
    ]
    (figure,) = summarise(runs).figures
    assert list(figure.values) == ["evaluator.samples=500", "evaluator.samples=1000"]
    assert figure.refused
    assert not figure.estimates, "no table of a paper and no check takes it"


def test_settings_stand_with_their_keys_and_packs_decide_the_batch():
    runs = [recorded(n, {}, packing=str(n), batch_size=str(64 * n), jit=jit) for n, jit in ((1, "off"), (2, "on"))]
    assert [group.name for group in groups.grouped(runs)] == ["packing=1 jit=off", "packing=2 jit=on"]


def test_the_table_of_a_paper_says_where_it_comes_from():
    summary = summarise(THREE)
    lines = paper.latex(summary, "python src/train.py -m strategy=tape\ncommit 123").splitlines()
    assert lines[:2] == ["% python src/train.py -m strategy=tape", "% commit 123"]
    assert lines[4] == r"variant & runs & classifier/fid $\downarrow$ \\"
    assert r"tape & 4 & $\mathbf{21.5}$ [19.4, 23.6] \\" in lines
    rows = list(csv.reader(io.StringIO(paper.table(summary, "commit 123"))))
    assert rows[0] == ["# commit 123"]
    assert rows[2][:4] == ["tape", "classifier/fid", "4", "21.5"]
    assert [row[-1] for row in rows[2:]] == ["", "identical", "worse"]


def test_results_that_leave_the_expected_range_are_named(tmp_path):
    file = tmp_path / "expected.csv"
    file.write_text("variant,figure,low,high\ntape,classifier/fid,21.5,22\ncompile,classifier/fid,0,9\nx,y,0,1\n")
    assert list(expected.violations(summarise(THREE), expected.read(file))) == [
        "compile: classifier/fid is 31.55, and 0 to 9 is expected",
        "x: no finished run has y",
    ]


@pytest.mark.parametrize("text", [None, "", "variant,figure\n1,2\n", "variant,figure,low,high\na,b,c,d\n"])
def test_a_damaged_expectation_is_named(tmp_path, text):
    file = tmp_path / "expected.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadInput, match=r"expected.csv: must be a CSV file with the columns variant, figure"):
        expected.read(file)


def test_charts_are_pngs_and_need_a_common_step():
    chart = charts.learning_curves("fid", {"a": [[(1, 2.0)], [(2, 2.0)]]})
    assert chart.startswith(b"\x89PNG")
    assert charts.profiles(summarise(THREE).figures[0], ["tape", "compile"]).startswith(b"\x89PNG")


def test_a_metric_of_your_own_is_shown_without_a_verdict():
    values = {"tape": 1.0, "compile": 2.0}
    runs = [recorded(name, {"mine/gap": value}, strategy=name, cards={}) for name, value in values.items()]
    lines = rows_of(runs)
    assert lines[1].split() == ["variant", "seeds", "mine/gap", "audit", "status", "verdict"]
    assert lines[3].split() == ["compile", "1", "2.000", "clean", "FINISHED", "-"]
    assert "Nobody said what is better." in page.page(summarise(runs), evidence())[0]
    assert "mathbf" not in paper.latex(summarise(runs), "")
