//! The `withdrawal-page` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(withdrawal_page::function)
}
