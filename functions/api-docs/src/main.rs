//! The `api-docs` Lambda.

fn main() -> std::process::ExitCode {
    kit::run(api_docs::function)
}
