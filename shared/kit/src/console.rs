//! Log lines for people at a terminal: one line per event, the request's fields in front.
//!
//! The deployed form is JSON ([`crate::logging`]). Metrics are for CloudWatch and are left out here.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use crate::{
    clock::Clock,
    logging::{Output, RAW_FIELD},
};

/// The message of an access line.
const ACCESS: &str = "request";

/// Fields that every line of a stack repeats, or that only sums need.
const LEFT_OUT: [&str; 13] = [
    RAW_FIELD,
    "message",
    "route",
    "service",
    "stage",
    "version",
    "request_id",
    "bytes",
    "requests",
    "client_errors",
    "server_errors",
    "cold_starts",
    "cold_start",
];

/// Writes events as lines of text.
pub(crate) struct ConsoleLines {
    pub(crate) output: Output,
    pub(crate) clock: Clock,
    pub(crate) colors: bool,
}

/// The fields of an event or a span, in order.
#[derive(Default)]
struct Values(Vec<(&'static str, String)>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ConsoleLines {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id) {
            let mut values = Values::default();
            attributes.record(&mut values);
            span.extensions_mut().insert(values);
        }
    }

    fn on_record(&self, id: &span::Id, recorded: &span::Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(values) = span.extensions_mut().get_mut::<Values>()
        {
            recorded.record(values);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut values = Values::default();
        event.record(&mut values);
        let is_metric = values.get(RAW_FIELD).is_some();
        if is_metric && values.get("message") != Some(ACCESS) {
            return;
        }
        if let Some(scope) = ctx.event_scope(event) {
            for span in scope.from_root() {
                if let Some(fields) = span.extensions().get::<Values>() {
                    values.0.extend(fields.0.iter().cloned());
                }
            }
        }
        self.output
            .write(&self.line(*event.metadata().level(), &values));
    }
}

impl ConsoleLines {
    fn line(&self, level: Level, values: &Values) -> String {
        let mut line = String::with_capacity(160);
        let now = self.clock.now().to_string();
        // The date is left out: `12:00:00.000`.
        let time = now.get(11..23).unwrap_or(&now);
        self.paint(&mut line, DIM, time);
        line.push(' ');
        self.paint(&mut line, color_of(level), &format!("{level:<5}"));
        let subject = values.get("route").or_else(|| values.get("service"));
        if let Some(subject) = subject {
            line.push(' ');
            self.paint(&mut line, BOLD, subject);
        }
        let status = values.get("status");
        if let Some(status) = status {
            line.push(' ');
            self.paint(&mut line, color_of_status(status), status);
        }
        let duration = values
            .get("duration_ms")
            .and_then(|ms| ms.parse::<f64>().ok());
        if let Some(ms) = duration {
            let _infallible = write!(line, " {ms:.1} ms");
        }
        if let Some(message) = values.get("message").filter(|message| *message != ACCESS) {
            line.push(' ');
            line.push_str(message);
        }
        for (name, value) in &values.0 {
            let is_shown = match *name {
                "status" | "duration_ms" => false,
                // A problem document names it, so that its line is found.
                "trace_id" => level <= Level::WARN,
                name => !LEFT_OUT.contains(&name),
            };
            if is_shown {
                line.push(' ');
                self.paint(&mut line, DIM, &format!("{name}={value}"));
            }
        }
        line.push('\n');
        line
    }

    fn paint(&self, line: &mut String, style: &str, text: &str) {
        if self.colors {
            let _infallible = write!(line, "\u{1b}[{style}m{text}\u{1b}[0m");
        } else {
            line.push_str(text);
        }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";

fn color_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => RED,
        Level::WARN => YELLOW,
        Level::INFO => GREEN,
        _ => BLUE,
    }
}

fn color_of_status(status: &str) -> &'static str {
    match status.as_bytes().first() {
        Some(b'5') => RED,
        Some(b'4') => YELLOW,
        _ => GREEN,
    }
}

impl Values {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Adds a text on one line: what was sent must not move the cursor or begin a line of its own.
    fn add(&mut self, field: &Field, text: &str) {
        let mut value = String::with_capacity(text.len());
        for c in text.chars() {
            match c.is_control() {
                true => value.extend(c.escape_default()),
                false => value.push(c),
            }
        }
        self.0.push((field.name(), value));
    }
}

impl Visit for Values {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use domain::Instant;

    use super::*;
    use crate::logging::{Format, subscriber_in};

    fn logged(colors: bool, level: Level, work: impl FnOnce()) -> String {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let (clock, _) = Clock::manual(Instant::from_millis(1_234));
        let output = Output::Memory(Arc::clone(&buffer));
        let format = Format::Text { colors };
        tracing::subscriber::with_default(subscriber_in(format, level, output, clock), work);
        String::from_utf8(buffer.lock().unwrap().clone()).unwrap()
    }

    fn request() {
        let span = tracing::error_span!(
            "request",
            service = "launch",
            stage = "dev",
            route = "GET /v1/launch",
            trace_id = "abc"
        );
        let _entered = span.enter();
        tracing::info!(
            _aws = "{}",
            status = 200u16,
            duration_ms = 3.21,
            requests = 1,
            "request"
        );
        tracing::info!(_aws = "{}", "metric");
        tracing::warn!(error = "a\nb\u{1b}[2J", "profile not read");
        tracing::debug!("not logged");
    }

    #[test]
    fn a_request_is_one_line_of_time_level_route_status_and_duration() {
        let text = logged(false, Level::INFO, request);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "00:00:01.234 INFO  GET /v1/launch 200 3.2 ms",
                "00:00:01.234 WARN  GET /v1/launch profile not read error=a\\nb\\u{1b}[2J trace_id=abc",
            ]
        );
    }

    #[test]
    fn colors_and_levels_are_as_chosen() {
        let text = logged(true, Level::WARN, request);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("\u{1b}[33mWARN \u{1b}[0m"), "{text}");
    }
}
