//! The `banners` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(banners::function)
}
