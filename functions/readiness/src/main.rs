//! The `readiness` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(readiness::function)
}
