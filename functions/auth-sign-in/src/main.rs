//! The `auth-sign-in` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(auth_sign_in::function)
}
