//! The `events` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(events::function)
}
