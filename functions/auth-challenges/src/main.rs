//! The `auth-challenges` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(auth_challenges::function)
}
