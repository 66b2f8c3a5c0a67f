//! The day as a page: SVG charts with nothing from elsewhere.

use std::fmt::Write as _;

use super::{
    Outcome,
    findings::{Finding, Verdict},
    shape::{INTERVALS, plan},
    store::{CAP, CREATIVES, Line},
};
use crate::{statistics::float, summary::count};

/// The drawing area of a chart, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 150.0;

/// Room for the numbers at the left and the hours below.
const LEFT: f64 = 56.0;
const BELOW: f64 = 22.0;

const BLUE: &str = "#3b6fb6";
const GREY: &str = "#9aa3ad";
const ORANGE: &str = "#e07b39";
const GREEN: &str = "#3f9c6b";

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:1060px;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
h1{font-size:1.5em;margin-bottom:.2em}h2{font-size:1.05em;margin:1.6em 0 .1em}\
p{margin:.1em 0 .5em;color:#555}svg{width:100%;height:auto;display:block}\
text{font:11px system-ui,sans-serif;fill:#666}table{border-collapse:collapse;width:100%}\
td{padding:.25em .6em;border-bottom:1px solid #e5e5e5;vertical-align:top}\
.kept,.seen{color:#2c7a4b}.missed{color:#b07d00}.broken{color:#b3261e;font-weight:bold}";

/// What is drawn in a chart.
enum Mark<'a> {
    /// Columns from the ground up.
    Bars(&'a str, Vec<f64>),
    /// A line through the middles of the intervals.
    Line(&'a str, Vec<f64>),
    /// A level, dashed.
    Level(&'a str, f64),
}

/// The whole page.
pub(crate) fn page(outcome: &Outcome, findings: &[Finding]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>A day in a minute</title><style>{STYLE}</style></head><body>\n\
         <h1>A day in a minute</h1>\n\
         <p>{} visits of a day, {} times as fast, seed {}. Times are UTC.</p>\n",
        count(outcome.played.visits),
        count(outcome.speed),
        outcome.seed
    );
    table(&mut page, findings);
    for (title, says, marks) in charts(outcome) {
        let _infallible = writeln!(
            page,
            "<h2>{}</h2><p>{}</p>\n{}",
            escaped(&title),
            escaped(&says),
            chart(&marks)
        );
    }
    page.push_str("</body></html>\n");
    page
}

type Chart<'a> = (String, String, Vec<Mark<'a>>);

fn charts(outcome: &Outcome) -> Vec<Chart<'static>> {
    let budgets = outcome.budgets;
    let ledger = &outcome.ledger;
    let counted = |line| floats(ledger.counted_of(line));
    let total = |line: Line| count(outcome.row(line).impressions);
    let daily = count(budgets.daily);
    vec![
        chart_of(
            "Traffic",
            "Slots asked for in each quarter of an hour, and (grey) what house items filled.".into(),
            vec![
                Mark::Bars(BLUE, floats(&ledger.asked)),
                Mark::Bars(GREY, floats(ledger.served_of(Line::House))),
            ],
        ),
        chart_of(
            "even",
            format!(
                "A daily budget of {daily} impressions, spread over the day: counted, and (orange) the plan. {} in all.",
                total(Line::Even)
            ),
            vec![
                Mark::Bars(BLUE, counted(Line::Even)),
                Mark::Level(ORANGE, plan(budgets.daily, 96)),
            ],
        ),
        chart_of(
            "asap",
            format!(
                "The same budget as soon as possible, in another slot. {} in all.",
                total(Line::Asap)
            ),
            vec![Mark::Bars(BLUE, counted(Line::Asap))],
        ),
        chart_of(
            "cpm",
            format!(
                "A total budget in money for {} impressions; near its end it goes out under leases. {} in all.",
                count(budgets.total),
                total(Line::Cpm)
            ),
            vec![Mark::Bars(BLUE, counted(Line::Cpm))],
        ),
        chart_of(
            "Budgets used",
            "What the report counted, as it was read over the day, in parts of the budget: even (blue), asap (orange), cpm (green).".into(),
            vec![
                Mark::Line(BLUE, used(outcome, Line::Even, budgets.daily)),
                Mark::Line(ORANGE, used(outcome, Line::Asap, budgets.daily)),
                Mark::Line(GREEN, used(outcome, Line::Cpm, budgets.total)),
                Mark::Level(GREY, 1.0),
            ],
        ),
        chart_of(
            "capped",
            format!(
                "At most {CAP} showings a day for each device: as more devices have seen it, fewer are left. {} in all.",
                total(Line::Capped)
            ),
            vec![Mark::Bars(BLUE, counted(Line::Capped))],
        ),
        chart_of(
            "Most showings on any device",
            "Counted showings of capped on the device that has most of them, and (dashed) the cap.".into(),
            vec![
                Mark::Line(BLUE, rising(&ledger.most_showings)),
                Mark::Level(ORANGE, f64::from(CAP)),
            ],
        ),
        learner(outcome),
    ]
}

fn chart_of<'a>(title: &str, says: String, marks: Vec<Mark<'a>>) -> Chart<'a> {
    (title.to_owned(), says, marks)
}

/// The shares of the creatives, on top of each other: the best at the bottom.
fn learner(outcome: &Outcome) -> Chart<'static> {
    let ledger = &outcome.ledger;
    let all = floats(ledger.served_of(Line::Learner));
    let mut stacked = vec![0.0; all.len()];
    let mut marks = Vec::new();
    for (series, colour) in ledger.creatives.iter().rev().zip([GREEN, ORANGE, GREY]) {
        for ((height, part), all) in stacked.iter_mut().zip(floats(series)).zip(&all) {
            *height += part / all.max(1.0);
        }
        marks.push(Mark::Bars(colour, stacked.clone()));
    }
    // The tallest first, so that each hides the lower part of the one before.
    marks.reverse();
    let rates: Vec<String> = CREATIVES
        .iter()
        .rev()
        .map(|(name, rate)| format!("{name}, clicked {} % of the time", 100.0 * rate))
        .collect();
    chart_of(
        "learner",
        format!(
            "Shares of its creatives, from the bottom: {}.",
            rates.join("; ")
        ),
        marks,
    )
}

fn floats(series: &[u64]) -> Vec<f64> {
    series.iter().copied().map(float).collect()
}

/// The highest so far.
fn rising(series: &[u64]) -> Vec<f64> {
    let mut most = 0;
    let highest = series.iter().map(|value| {
        most = most.max(*value);
        float(most)
    });
    highest.collect()
}

/// Parts of a budget at the end of each interval; what was not read is as it was before.
fn used(outcome: &Outcome, line: Line, limit: u64) -> Vec<f64> {
    let mut parts = vec![0.0; INTERVALS];
    for sample in &outcome.ledger.samples {
        let row = sample.rows.get(&line);
        let part = row.map_or(0.0, |row| float(row.impressions) / float(limit.max(1)));
        for later in parts.iter_mut().skip(sample.interval) {
            *later = part;
        }
    }
    parts
}

fn table(page: &mut String, findings: &[Finding]) {
    page.push_str("<table>\n");
    for Finding {
        verdict,
        what,
        found,
    } in findings
    {
        let class = match verdict {
            Verdict::Kept => "kept",
            Verdict::Broken => "broken",
            Verdict::Seen => "seen",
            Verdict::Missed => "missed",
        };
        let _infallible = writeln!(
            page,
            "<tr><td class=\"{class}\">{}</td><td>{}</td><td>{}</td></tr>",
            verdict.mark(),
            escaped(what),
            escaped(found)
        );
    }
    page.push_str("</table>\n");
}

fn chart(marks: &[Mark<'_>]) -> String {
    let top = marks.iter().map(Mark::top).fold(0.0, f64::max).max(1e-9);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\">",
        LEFT + WIDTH,
        HEIGHT + BELOW
    );
    for part in [0.0, 0.5, 1.0] {
        let y = 8.0 + (HEIGHT - 8.0) * (1.0 - part);
        let _infallible = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e5e5e5\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            y + 4.0,
            number(top * part)
        );
    }
    for hour in (0..=24_u32).step_by(3) {
        let x = LEFT + WIDTH * f64::from(hour) / 24.0;
        let anchor = if hour == 24 { "end" } else { "middle" };
        let _infallible = write!(
            svg,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{hour:02}:00</text>",
            HEIGHT + BELOW - 6.0
        );
    }
    for mark in marks {
        mark.draw(&mut svg, top);
    }
    svg.push_str("</svg>");
    svg
}

impl Mark<'_> {
    fn top(&self) -> f64 {
        match self {
            Self::Bars(_, values) | Self::Line(_, values) => {
                values.iter().copied().fold(0.0, f64::max)
            }
            Self::Level(_, value) => *value,
        }
    }

    fn draw(&self, svg: &mut String, top: f64) {
        let height = |value: f64| (HEIGHT - 8.0) * value / top;
        match self {
            Self::Bars(colour, values) => {
                let step = WIDTH / float(values.len().max(1) as u64);
                for (x, value) in places(values, step).filter(|(_, value)| *value > 0.0) {
                    let high = height(value);
                    let _infallible = write!(
                        svg,
                        "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{high:.1}\" fill=\"{colour}\"/>",
                        HEIGHT - high,
                        step - 1.0
                    );
                }
            }
            Self::Line(colour, values) => {
                let step = WIDTH / float(values.len().max(1) as u64);
                let _infallible = write!(
                    svg,
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\""
                );
                for (x, value) in places(values, step) {
                    let _infallible =
                        write!(svg, "{:.1},{:.1} ", x + step / 2.0, HEIGHT - height(value));
                }
                svg.push_str("\"/>");
            }
            Self::Level(colour, value) => {
                let y = HEIGHT - height(*value);
                let _infallible = write!(
                    svg,
                    "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-dasharray=\"6 4\"/>",
                    LEFT + WIDTH
                );
            }
        }
    }
}

/// Where each value begins.
fn places(values: &[f64], step: f64) -> impl Iterator<Item = (f64, f64)> {
    let starts = (0_u32..).map(move |number| LEFT + step * f64::from(number));
    starts.zip(values.iter().copied())
}

fn number(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_ground_and_the_highest_fills_the_chart() {
        let svg = chart(&[Mark::Bars(BLUE, vec![1.0, 2.0, 0.0, 0.5])]);
        assert_eq!(svg.matches("<rect").count(), 3, "nothing is not drawn");
        assert!(
            svg.contains("y=\"8.0\" width=\"239.0\" height=\"142.0\""),
            "{svg}"
        );
        assert!(
            svg.contains("y=\"79.0\" width=\"239.0\" height=\"71.0\""),
            "{svg}"
        );
    }

    #[test]
    fn a_level_and_a_line_share_the_scale_of_the_highest() {
        let svg = chart(&[Mark::Line(BLUE, vec![0.0, 1.0]), Mark::Level(GREY, 2.0)]);
        assert!(svg.contains("points=\"296.0,150.0 776.0,79.0 \""), "{svg}");
        assert!(
            svg.contains("y1=\"8.0\" y2=\"8.0\" stroke=\"#9aa3ad\""),
            "{svg}"
        );
    }

    #[test]
    fn what_never_falls_is_the_highest_so_far_and_texts_cannot_become_marks() {
        assert_eq!(rising(&[0, 2, 1, 0, 3]), [0.0, 2.0, 2.0, 2.0, 3.0]);
        assert_eq!(escaped("<a> & b"), "&lt;a&gt; &amp; b");
        assert_eq!([0.0, 0.25, 12.4].map(number), ["0", "0.2", "12"]);
    }
}
