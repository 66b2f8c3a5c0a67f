//! The `admin-content` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(admin_content::function)
}
