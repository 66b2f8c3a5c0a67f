//! The `auth-sign-out` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(auth_sign_out::function)
}
