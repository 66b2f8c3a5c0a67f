//! The `remote-config` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(remote_config::function)
}
