//! The `launch` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(launch::function)
}
