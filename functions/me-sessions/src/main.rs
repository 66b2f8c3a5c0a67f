//! The `me-sessions` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(me_sessions::function)
}
