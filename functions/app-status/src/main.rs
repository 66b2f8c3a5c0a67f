//! The `app-status` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(app_status::function)
}
