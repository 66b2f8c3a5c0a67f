//! The `provider-events` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(provider_events::function)
}
