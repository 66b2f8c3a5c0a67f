//! The `jwks` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(jwks::function)
}
