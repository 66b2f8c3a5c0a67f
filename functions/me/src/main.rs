//! The `me` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(me::function)
}
