//! The `roll-up` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(roll_up::function)
}
