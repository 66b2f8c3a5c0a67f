//! The `me-exports` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(me_exports::function)
}
