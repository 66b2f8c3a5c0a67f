//! The `auth-refresh` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(auth_refresh::function)
}
