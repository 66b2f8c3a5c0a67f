//! The `fallback` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(fallback::function)
}
