//! The figures of a run, as they are printed and as they are kept.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    measure::{Calls, Figures, Selection},
    operations::Operations,
    peers::Peer,
};

/// The name of the floor among the functions.
pub(crate) const FLOOR: &str = "floor";
/// The name of the hello.
pub(crate) const HELLO: &str = "hello";

/// What is said of requests for which no device is read, as the peers read none.
const UNREAD: &str = "… no device to be read";

/// How many times what `allocations` takes a Django app is to take at least, by number of campaigns.
const DJANGO: &str = "django";
const DJANGO_AIMS: [(usize, f64); 3] = [(1_000, 28.0), (10_000, 74.0), (100_000, 1_300.0)];

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
    /// By server that does the same work. Reports from before there were any have none.
    #[serde(default)]
    pub(crate) peers: Vec<PeerFigures>,
    /// Which servers were left out, and why.
    #[serde(default)]
    pub(crate) skipped: Vec<String>,
    /// What an allocation asks of the database.
    #[serde(default)]
    pub(crate) operations: Option<Operations>,
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
    /// Processor time of the whole function for requests that do not say which device they are of,
    /// so that nothing is read for them. Reports from before it was measured have none.
    #[serde(default)]
    pub(crate) unread_cpu_us: Option<f64>,
}

/// What the same work costs a server that scans.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PeerFigures {
    pub(crate) name: String,
    /// What it is made of, with versions.
    pub(crate) made_of: String,
    /// Processor time per allocation, by number of campaigns.
    pub(crate) cpu_us: BTreeMap<usize, f64>,
}

impl PeerFigures {
    /// Of a peer that is yet to be measured.
    pub(crate) fn of(peer: &Peer) -> Self {
        Self {
            name: peer.name.to_owned(),
            made_of: peer.made_of.clone(),
            cpu_us: BTreeMap::new(),
        }
    }
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
        for Allocation {
            selection,
            calls,
            unread_cpu_us,
        } in &self.allocation
        {
            let of = format!("{} campaigns", selection.campaigns);
            relative.insert(format!("{of}, CPU µs"), calls.cpu_us / floor.cpu_us);
            relative.insert(
                format!("{of}, selection µs"),
                selection.select_us / floor.cpu_us,
            );
            if let Some(unread) = unread_cpu_us {
                relative.insert(format!("{of}, unread, CPU µs"), unread / floor.cpu_us);
            }
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
        write!(f, "{title:<32}")?;
        COLUMNS
            .iter()
            .try_for_each(|(heading, ..)| write!(f, "{heading:>10}"))?;
        writeln!(f)?;
        for Function { name, figures } in &self.functions {
            write!(f, "  {name:<30}")?;
            COLUMNS
                .iter()
                .try_for_each(|column| write!(f, "{:>10}", cell(figures, column)))?;
            writeln!(f)?;
        }
        writeln!(f)
    }

    /// What allocation costs beside others.
    fn beside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours: BTreeMap<_, _> = self
            .allocation
            .iter()
            .map(|one| (one.selection.campaigns, one.calls.cpu_us))
            .collect();
        let unread: BTreeMap<_, _> = self
            .allocation
            .iter()
            .filter_map(|one| Some((one.selection.campaigns, one.unread_cpu_us?)))
            .collect();
        let row =
            |f: &mut fmt::Formatter<'_>, name: &str, cell: &dyn Fn(usize) -> Option<String>| {
                write!(f, "  {name:<26}")?;
                for size in ours.keys() {
                    write!(f, "{:>12}", cell(*size).unwrap_or_else(|| "-".to_owned()))?;
                }
                writeln!(f)
            };
        let title = |f: &mut fmt::Formatter<'_>, title: &str| {
            write!(f, "{title:<28}")?;
            ours.keys().try_for_each(|size| write!(f, "{size:>12}"))?;
            writeln!(f)
        };
        writeln!(
            f,
            "allocation beside others, which scan: CPU µs per request"
        )?;
        title(f, "campaigns")?;
        row(f, "allocations", &|size| {
            Some(format!("{:.1}", ours.get(&size)?))
        })?;
        row(f, UNREAD, &|size| {
            Some(format!("{:.1}", unread.get(&size)?))
        })?;
        for peer in &self.peers {
            row(f, &peer.name, &|size| {
                Some(format!("{:.1}", peer.cpu_us.get(&size)?))
            })?;
        }
        title(f, "ratio to allocations")?;
        for peer in &self.peers {
            row(f, &peer.name, &|size| {
                Some(format!(
                    "{:.2} ×",
                    peer.cpu_us.get(&size)? / ours.get(&size)?
                ))
            })?;
            row(f, "  to the one unread", &|size| {
                Some(format!(
                    "{:.2} ×",
                    peer.cpu_us.get(&size)? / unread.get(&size)?
                ))
            })?;
            if peer.name == DJANGO {
                row(f, "  aim, at least", &|size| {
                    let aim = DJANGO_AIMS.iter().find(|(campaigns, _)| *campaigns == size);
                    Some(format!("{:.0} ×", aim?.1))
                })?;
            }
        }
        for peer in &self.peers {
            writeln!(f, "{}: {}", peer.name, peer.made_of)?;
        }
        self.skipped
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))?;
        let names = self.peers.iter().map(|peer| peer.name.as_str());
        let exact: Vec<_> = std::iter::once("allocations").chain(names).collect();
        writeln!(
            f,
            "agreeing with a scan of the rules on every request at every size: {}\n",
            exact.join(", ")
        )
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
        for Allocation {
            selection, calls, ..
        } in &self.allocation
        {
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
        writeln!(f)?;
        self.beside(f)?;
        self.operations
            .iter()
            .try_for_each(|operations| write!(f, "{operations}"))
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
            allocation: vec![Allocation {
                selection,
                calls,
                unread_cpu_us: Some(20.0),
            }],
            peers: vec![PeerFigures {
                name: DJANGO.to_owned(),
                made_of: "Django 0".to_owned(),
                cpu_us: BTreeMap::from([(1_000, 1_000.0)]),
            }],
            skipped: vec!["go: skipped".to_owned()],
            operations: None,
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
    fn peers_are_printed_with_ratios_and_aims_or_as_skipped() {
        let text = report(10.0, 30.0).to_string();
        let rows: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("  django"))
            .collect();
        assert!(
            rows[0].contains("1000.0") && rows[1].contains("25.00 ×"),
            "{text}"
        );
        let unread = text.lines().find(|line| line.contains("unread"));
        assert!(unread.unwrap().ends_with("50.00 ×"), "{text}");
        let aim = text.lines().find(|line| line.contains("aim, at least"));
        assert!(aim.unwrap().ends_with("28 ×"));
        assert!(text.contains("\ngo: skipped\n"));
    }

    #[test]
    fn a_baseline_from_before_there_were_peers_is_read() {
        let mut old = serde_json::to_value(report(10.0, 30.0)).unwrap();
        for member in ["peers", "skipped", "operations"] {
            old.as_object_mut().unwrap().remove(member);
        }
        let allocation = old["allocation"][0].as_object_mut().unwrap();
        allocation.remove("unread_cpu_us");
        let read: Report = serde_json::from_value(old).unwrap();
        assert!(read.peers.is_empty() && read.operations.is_none());
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
