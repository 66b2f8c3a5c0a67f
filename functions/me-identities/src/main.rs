//! The `me-identities` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(me_identities::function)
}
