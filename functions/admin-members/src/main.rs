//! The `admin-members` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(admin_members::function)
}
