//! The `key-rotation` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(key_rotation::function)
}
