//! The `withdrawal-purge` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(withdrawal_purge::function)
}
