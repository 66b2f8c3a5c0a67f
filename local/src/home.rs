//! The page at `/` of the local stack: where everything is. A deployed API has no such page.

use std::fmt::Write as _;

use crate::{Description, demo_app};

/// The page of a running stack. `seeded` says whether it was started with `SEED=1`.
pub(crate) fn page(stack: &Description, seeded: bool) -> String {
    let base = escaped(&stack.base_url);
    let sandbox = escaped(&stack.providers_url);
    let blobs = stack.blobs.parent().unwrap_or(&stack.blobs);
    let data = escaped(&blobs.display().to_string());
    let seed = match seeded {
        true => {
            "This stack was started with <code>SEED=1</code>: the calls below return the small app's content."
        }
        false => {
            "Start with <code>SEED=1 make run</code> to fill the stack with a small app; until then the calls below return little."
        }
    };
    let mut tour = String::new();
    for (question, call) in demo_app::tour(&stack.base_url) {
        let question = escaped(question);
        // A call that is a plain GET of a URL can be followed.
        let link = call
            .strip_prefix('\'')
            .and_then(|call| call.strip_suffix('\''))
            .filter(|url| !url.contains('\''));
        let question = match link {
            Some(url) => format!("<a href=\"{}\">{question}</a>", escaped(url)),
            None => question,
        };
        let call = escaped(&call);
        let _infallible = write!(tour, "<li>{question}\n<pre>curl -s {call}</pre>\n");
    }
    let mut addresses = String::new();
    for (name, address) in [
        ("HTTP API", &stack.base_url),
        ("DynamoDB", &stack.dynamodb_endpoint),
        ("Secrets Manager", &stack.secrets_endpoint),
        ("Lambda", &stack.lambda_endpoint),
        ("Sign-in sandboxes", &stack.providers_url),
    ] {
        let address = escaped(address);
        let _infallible = writeln!(addresses, "<tr><th>{name}<td><code>{address}</code>");
    }
    format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Madang on this machine</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1rem; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; background: #8882; padding: .6rem; margin: .3rem 0; }}
  th {{ text-align: left; padding-right: 2rem; font-weight: normal; }}
</style>
<h1>Madang on this machine</h1>
<h2>Documentation</h2>
<ul>
<li><a href="{base}/docs">API reference</a>, to try in the browser
<li><a href="{base}/openapi.json">OpenAPI document</a>
</ul>
<h2>State</h2>
<ul>
<li><a href="{base}/health">Health</a>: the build that runs
<li><a href="{base}/health/ready">Readiness</a>: whether everything behind it answers
</ul>
<h2>Sandboxes</h2>
<ul>
<li><a href="{sandbox}/">Sign-in providers</a>: tokens of Apple, Google, Kakao, Naver, Facebook and LINE for made-up users
<li><a href="{base}/withdrawal">Withdrawal page</a>: deleting an account without the app
</ul>
<h2 id="data">Seeded data</h2>
<p>{seed}
<p>Drafts and what is live, with the service key in <code>{data}/stack.json</code>:
<pre>curl -s {base}/admin/v1/content/campaigns/items -H "authorization: Bearer $KEY"</pre>
<h2 id="tour">Tour</h2>
<ul>
{tour}</ul>
<p><code>make demo</code> walks through the main flows and prints what it did.
<h2>Addresses</h2>
<table>
{addresses}</table>
"#
    )
}

/// Text as HTML shows it, also in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
