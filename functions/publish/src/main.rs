//! The `publish` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(publish::function)
}
