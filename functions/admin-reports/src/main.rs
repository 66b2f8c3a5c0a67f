//! The `admin-reports` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(admin_reports::function)
}
