//! The `device-content-config` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(device_content_config::function)
}
