//! The `device-profiles` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(device_profiles::function)
}
