//! The `track` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(track::function)
}
