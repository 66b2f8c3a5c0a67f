//! One JSON line per event on stdout, with the fields of the request it belongs to.
//!
//! A layer of our own and not `tracing_subscriber::fmt().json()`, because that nests the request's
//! fields under `span` while a log search wants them flat. See `docs/logging.md`.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    sync::{Arc, Mutex, Once, OnceLock},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::filter_fn,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::{clock::Clock, console::ConsoleLines};

/// The field whose value is JSON already: an embedded metric document.
pub(crate) const RAW_FIELD: &str = "_aws";

/// Where lines go.
#[derive(Clone)]
pub enum Output {
    /// The process's standard output, which Lambda ships to CloudWatch.
    Stdout,
    /// Memory, for tests that read what was logged.
    Memory(Arc<Mutex<Vec<u8>>>),
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line, as deployed.
    Json,
    /// Lines for people at a terminal, without metric documents.
    Text {
        /// Whether ANSI colors are used.
        colors: bool,
    },
}

impl Output {
    pub(crate) fn write(&self, line: &str) {
        // A log line that cannot be written has nowhere to be reported.
        match self {
            Self::Stdout => drop(std::io::stdout().lock().write_all(line.as_bytes())),
            Self::Memory(buffer) => {
                if let Ok(mut buffer) = buffer.lock() {
                    buffer.extend_from_slice(line.as_bytes());
                }
            }
        }
    }
}

/// Installs the subscriber of the process and the hook that logs panics. Once: later calls change
/// nothing, so that many functions can start in one process.
pub fn init(level: Level) {
    init_in(Format::Json, level);
}

/// [`init`] with a format.
pub fn init_in(format: Format, level: Level) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = subscriber_in(format, level, Output::Stdout, Clock::system());
        if tracing::subscriber::set_global_default(subscriber).is_ok() {
            std::panic::set_hook(Box::new(log_panic));
        }
    });
}

/// Installs a subscriber that writes into memory, for tests that read all lines of their process. Once:
/// later calls return the same memory; `None` where [`init`] was first.
pub fn init_in_memory(level: Level) -> Option<&'static Arc<Mutex<Vec<u8>>>> {
    static LINES: OnceLock<Option<Arc<Mutex<Vec<u8>>>>> = OnceLock::new();
    let installed = LINES.get_or_init(|| {
        let lines = Arc::default();
        let output = Output::Memory(Arc::clone(&lines));
        let subscriber = subscriber(level, output, Clock::system());
        let set = tracing::subscriber::set_global_default(subscriber);
        set.is_ok().then_some(lines)
    });
    installed.as_ref()
}

/// The subscriber that [`init`] installs, for tests that want its lines in memory.
pub fn subscriber(level: Level, output: Output, clock: Clock) -> impl Subscriber + Send + Sync {
    subscriber_in(Format::Json, level, output, clock)
}

/// [`subscriber`] with a format.
pub fn subscriber_in(
    format: Format,
    level: Level,
    output: Output,
    clock: Clock,
) -> impl Subscriber + Send + Sync {
    // A metric document is written whatever the level: alarms must not go blind with it.
    let wanted = filter_fn(move |metadata| {
        let is_due = *metadata.level() <= level && !repeats_bodies(metadata);
        is_due || (format == Format::Json && metadata.fields().field(RAW_FIELD).is_some())
    })
    .with_max_level_hint(level.max(Level::INFO));
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Json => Box::new(JsonLines { output, clock }),
        Format::Text { colors } => Box::new(ConsoleLines {
            output,
            clock,
            colors,
        }),
    };
    Registry::default().with(lines.with_filter(wanted))
}

/// Whether a line may hold what others sent or were told: at the level trace AWS's SDK prints whole
/// answers, and Lambda's runtime whole events, with every token and address in them.
fn repeats_bodies(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    *metadata.level() == Level::TRACE
        && (target.starts_with("aws_") || target.starts_with("lambda_"))
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let backtrace = std::backtrace::Backtrace::force_capture();
    let message = panic.payload_as_str().unwrap_or("not text");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(
        panic = message,
        location,
        fingerprint = fingerprint(location.as_deref().unwrap_or(message)),
        %backtrace,
        "panicked"
    );
}

/// The same short name for the same kind of failure, whatever the request: FNV-1a of where it
/// happened.
pub(crate) fn fingerprint(place: &str) -> String {
    let hash = place.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

struct JsonLines {
    output: Output,
    clock: Clock,
}

/// `"name":value` pairs, each led by a comma.
#[derive(Default)]
struct Fields(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut line = String::with_capacity(512);
        let _infallible = write!(
            line,
            "{{\"timestamp\":\"{}\",\"level\":\"{}\"",
            self.clock.now(),
            event.metadata().level()
        );
        let mut fields = Fields(line);
        event.record(&mut fields);
        let mut line = fields.0;
        if let Some(scope) = ctx.event_scope(event) {
            for span in scope.from_root() {
                if let Some(fields) = span.extensions().get::<Fields>() {
                    line.push_str(&fields.0);
                }
            }
        }
        line.push_str("}\n");
        self.output.write(&line);
    }
}

impl Fields {
    fn name(&mut self, field: &Field) {
        self.0.push_str(",\"");
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }

    fn text(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                c if c.is_control() => {
                    let _infallible = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }
}

macro_rules! plain {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(&mut self, field: &Field, value: $type) {
            self.name(field);
            let _infallible = write!(self.0, "{value}");
        }
    )*};
}

impl Visit for Fields {
    plain! { record_i64: i64, record_u64: u64, record_bool: bool }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.name(field);
        if value.is_finite() {
            let _infallible = write!(self.0, "{value}");
        } else {
            self.0.push_str("null");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        if field.name() == RAW_FIELD {
            self.0.push_str(value);
        } else {
            self.text(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.text(&format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Instant;

    #[test]
    fn a_line_is_json_with_the_fields_of_its_spans_flat() {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let (clock, _) = Clock::manual(Instant::from_millis(0));
        let output = Output::Memory(Arc::clone(&buffer));
        tracing::subscriber::with_default(subscriber(Level::INFO, output, clock), || {
            let span = tracing::error_span!(
                "request",
                trace_id = "abc",
                member_id = tracing::field::Empty
            );
            let _entered = span.enter();
            span.record("member_id", "m1");
            tracing::info!(n = 3, share = f64::NAN, text = "a\"\n\u{1}마당", "hello");
            tracing::debug!("not logged");
        });
        let text = String::from_utf8(buffer.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "timestamp": "1970-01-01T00:00:00.000Z", "level": "INFO", "message": "hello",
                "n": 3, "share": null, "text": "a\"\n\u{1}마당", "trace_id": "abc", "member_id": "m1"
            })
        );
    }

    #[test]
    fn a_metric_is_written_whatever_the_level() {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let output = Output::Memory(Arc::clone(&buffer));
        let subscriber = subscriber(Level::ERROR, output, Clock::system());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("not logged");
            tracing::info!(_aws = "{}", requests = 1, "request");
        });
        let text = String::from_utf8(buffer.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("\"_aws\":{}"), "{text}");
    }

    #[test]
    fn libraries_that_repeat_what_they_hear_are_not_logged_at_trace() {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let output = Output::Memory(Arc::clone(&buffer));
        let subscriber = subscriber(Level::TRACE, output, Clock::system());
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "aws_smithy_runtime::client", "read HTTP response body");
            tracing::trace!(target: "lambda_runtime::layers", "raw JSON event");
            tracing::debug!(target: "aws_smithy_runtime::client", "one");
            tracing::trace!("two");
        });
        let text = String::from_utf8(buffer.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn a_fingerprint_is_stable() {
        assert_eq!(fingerprint("a.rs:1:1"), fingerprint("a.rs:1:1"));
        assert_ne!(fingerprint("a.rs:1:1"), fingerprint("a.rs:2:1"));
    }
}
