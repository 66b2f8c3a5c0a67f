//! The `health` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(health::function)
}
