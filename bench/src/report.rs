//! The figures of a run, as they are printed and as they are kept.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::measure::{Calls, Figures, Selection};

/// The name of the floor among the functions.
pub(crate) const FLOOR: &str = "floor";
/// The name of the hello.
pub(crate) const HELLO: &str = "hello";

/// A figure that is this much off its baseline is worth a line.
const NOTABLE_DRIFT: f64 = 0.1;

/// The heading of the one figure that other work on the machine moves most: it has no drift.
const UNSTEADY: &str = "p99 µs";

/// A figure of [`Figures`]: its heading, its decimals and where it is found.
type Column = (&'static str, usize, fn(&Figures) -> f64);

const COLUMNS: [Column; 6] = [
    ("init ms", 2, |figures| figures.init_ms),
    ("p50 µs", 1, |figures| figures.p50_us),
    ("p99 µs", 1, |figures| figures.p99_us),
    ("CPU µs", 1, |figures| figures.cpu_us),
    ("RSS MB", 1, |figures| figures.rss_mb),
    ("zip KB", 0, |figures| figures.zip_kb),
];

/// Everything that was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// On what.
    pub(crate) machine: String,
    /// Of what.
    pub(crate) versions: Vec<String>,
    /// By function, in the order of measuring.
    pub(crate) functions: Vec<Function>,
    /// By number of campaigns.
    pub(crate) allocation: Vec<Allocation>,
}

/// A function and its figures.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) figures: Figures,
}

/// What an allocation costs with so many campaigns.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Allocation {
    /// The selection alone.
    pub(crate) selection: Selection,
    /// The whole function.
    pub(crate) calls: Calls,
}

impl Report {
    /// The report that was kept; `None` where none was.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => Ok(Some(
                serde_json::from_slice(&read?).with_context(|| path.display().to_string())?,
            )),
        }
    }

    /// Keeps the report.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())
    }

    fn named(&self, name: &str) -> Option<&Figures> {
        self.functions
            .iter()
            .find(|function| function.name == name)
            .map(|function| &function.figures)
    }

    /// What is measured relative to the floor, so that it can be compared between machines.
    fn relative(&self) -> BTreeMap<String, f64> {
        let mut relative = BTreeMap::new();
        let Some(floor) = self.named(FLOOR) else {
            return relative;
        };
        for Function { name, figures } in self
            .functions
            .iter()
            .filter(|function| function.name != FLOOR)
        {
            for (heading, _, of) in COLUMNS
                .into_iter()
                .filter(|(heading, ..)| *heading != UNSTEADY)
            {
                relative.insert(format!("{name}, {heading}"), of(figures) / of(floor));
            }
        }
        for Allocation { selection, calls } in &self.allocation {
            let of = format!("{} campaigns", selection.campaigns);
            relative.insert(format!("{of}, CPU µs"), calls.cpu_us / floor.cpu_us);
            relative.insert(
                format!("{of}, selection µs"),
                selection.select_us / floor.cpu_us,
            );
        }
        relative
    }

    /// What changed since `before`, both seen from the floors of their own runs.
    pub(crate) fn drift(&self, before: &Self) -> String {
        let old = before.relative();
        let lines: Vec<_> = self
            .relative()
            .into_iter()
            .filter_map(|(what, now)| Some((now / old.get(&what)?, what)))
            .filter(|(ratio, _)| (ratio - 1.0).abs() > NOTABLE_DRIFT)
            .map(|(ratio, what)| format!("  {ratio:>6.2} × {what}\n"))
            .collect();
        let found = match lines.is_empty() {
            true => "  nothing by more than 10 %\n".to_owned(),
            false => lines.concat(),
        };
        format!(
            "Since the baseline ({}), seen from the floor\n{found}",
            before.machine
        )
    }

    fn table(
        &self,
        f: &mut fmt::Formatter<'_>,
        title: &str,
        cell: impl Fn(&Figures, &Column) -> String,
    ) -> fmt::Result {
        write!(f, "{title:<18}")?;
        COLUMNS
            .iter()
            .try_for_each(|(heading, ..)| write!(f, "{heading:>10}"))?;
        writeln!(f)?;
        for Function { name, figures } in &self.functions {
            write!(f, "  {name:<16}")?;
            COLUMNS
                .iter()
                .try_for_each(|column| write!(f, "{:>10}", cell(figures, column)))?;
            writeln!(f)?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        self.versions
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f)?;
        self.table(f, "measured", |figures, (_, decimals, of)| {
            format!("{:.decimals$}", of(figures))
        })?;
        for base in [FLOOR, HELLO] {
            if let Some(base_figures) = self.named(base) {
                self.table(f, &format!("ratio to the {base}"), |figures, (_, _, of)| {
                    format!("{:.2} ×", of(figures) / of(base_figures))
                })?;
            }
        }
        if let (Some(health), Some(hello)) = (self.named("health"), self.named(HELLO)) {
            let ours = health.cpu_us - hello.cpu_us;
            writeln!(
                f,
                "health over hello, our whole stack: {ours:.1} µs CPU per call\n"
            )?;
        }
        writeln!(
            f,
            "{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "campaigns",
            "selection µs",
            "CPU µs",
            "p50 µs",
            "p99 µs",
            "load ms",
            "first ms",
            "RSS MB"
        )?;
        for Allocation { selection, calls } in &self.allocation {
            writeln!(
                f,
                "  {:<12}{:>12.2}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>10.1}",
                selection.campaigns,
                selection.select_us,
                calls.cpu_us,
                calls.p50_us,
                calls.p99_us,
                selection.load_ms,
                calls.first_ms,
                calls.rss_mb
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(all: f64) -> Figures {
        Figures {
            init_ms: all,
            p50_us: all,
            p99_us: all,
            cpu_us: all,
            rss_mb: all,
            zip_kb: all,
        }
    }

    fn report(floor: f64, health: f64) -> Report {
        let function = |name: &str, all| Function {
            name: name.to_owned(),
            figures: figures(all),
        };
        let calls = Calls {
            first_ms: 1.0,
            p50_us: 2.0,
            p99_us: 3.0,
            cpu_us: 40.0,
            rss_mb: 5.0,
        };
        let selection = Selection {
            campaigns: 1_000,
            load_ms: 6.0,
            select_us: 7.0,
        };
        Report {
            machine: "a machine".to_owned(),
            versions: vec!["commit 0".to_owned()],
            functions: vec![
                function(FLOOR, floor),
                function(HELLO, 2.0 * floor),
                function("health", health),
            ],
            allocation: vec![Allocation { selection, calls }],
        }
    }

    #[test]
    fn each_figure_is_printed_with_its_ratios() {
        let text = report(10.0, 30.0).to_string();
        let rows: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("  health"))
            .collect();
        assert_eq!(rows.len(), 3);
        assert!(
            rows[0].contains("30.00") && rows[1].contains("3.00 ×") && rows[2].contains("1.50 ×")
        );
        assert!(
            text.lines()
                .any(|line| line.trim_start().starts_with("1000 ") && line.contains("40.0"))
        );
    }

    #[test]
    fn a_slower_machine_is_no_drift_but_a_slower_function_is() {
        let baseline = report(10.0, 30.0);
        let mut slower_machine = report(20.0, 60.0);
        slower_machine.allocation.clear();
        assert!(
            slower_machine
                .drift(&baseline)
                .contains("nothing by more than 10 %")
        );
        let slower_function = report(10.0, 36.0).drift(&baseline);
        assert!(
            slower_function.contains("1.20 × health, CPU µs"),
            "{slower_function}"
        );
        assert!(!slower_function.contains("hello"));
    }

    #[test]
    fn a_report_is_read_as_it_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        assert!(Report::read(&path).unwrap().is_none());
        let report = report(10.0, 30.0);
        report.write(&path).unwrap();
        assert_eq!(
            Report::read(&path).unwrap().unwrap().to_string(),
            report.to_string()
        );
    }
}
