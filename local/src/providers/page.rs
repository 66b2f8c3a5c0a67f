//! The page of the sandboxes: a form that gives out tokens.

pub(super) const HTML: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sandbox providers</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
  label { display: block; margin: .6rem 0; }
  input, select { font: inherit; width: 100%; padding: .3rem; }
  button { font: inherit; margin-top: .6rem; padding: .3rem 1rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8882; padding: 1rem; }
</style>
<h1>Sandbox providers</h1>
<p>Tokens that a provider's SDK would give your app for a made-up user.</p>
<form>
  <label>Provider <select name="provider">
    <option>apple<option>google<option>kakao<option>naver<option>facebook<option>line
  </select></label>
  <label>User (the provider's own id; Kakao's are numbers) <input name="sub" value="1001" required></label>
  <label>Nonce (of <code>POST /v1/auth/challenges</code>) <input name="nonce"></label>
  <button>Give out tokens</button>
</form>
<pre id="answer" hidden></pre>
<script>
  document.forms[0].addEventListener("submit", async (event) => {
    event.preventDefault();
    const { provider, ...wish } = Object.fromEntries(new FormData(event.target));
    if (!wish.nonce) delete wish.nonce;
    const answer = document.getElementById("answer");
    const response = await fetch(`/${provider}/issue`, { method: "POST", body: JSON.stringify(wish) });
    answer.textContent = JSON.stringify(await response.json(), null, 2);
    answer.hidden = false;
  });
</script>
"#;
