//! The `pacing` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(pacing::function)
}
