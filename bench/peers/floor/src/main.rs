//! The floor: what a Lambda function costs that does nothing, on the standard library alone. One
//! connection, blocking reads, one write per message.
#![forbid(unsafe_code)]

use std::{
    env,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

const ANSWER: &str = r#"{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"hello","isBase64Encoded":false}"#;

fn main() -> io::Result<()> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let mut api = TcpStream::connect(&address)?;
    api.set_nodelay(true)?;
    let mut answers = BufReader::new(api.try_clone()?);
    let next =
        format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {address}\r\n\r\n");
    loop {
        api.write_all(next.as_bytes())?;
        let id = read(&mut answers)?;
        let response = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {address}\r\n\
             content-length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        );
        api.write_all(response.as_bytes())?;
        read(&mut answers)?;
    }
}

/// Reads one answer to its end and gives the id of its invocation, empty where it has none.
fn read(answers: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut id = String::new();
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            match line.trim_end() {
                "" => break,
                _status => continue,
            }
        };
        if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
            id = value.trim().to_owned();
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body)?;
    Ok(id)
}
