//! The `auth-guest` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(auth_guest::function)
}
