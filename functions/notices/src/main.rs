//! The `notices` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(notices::function)
}
