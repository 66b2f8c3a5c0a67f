//! The `allocations` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(allocations::function)
}
