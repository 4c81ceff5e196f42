//! The checks of `--quick`: answers and errors here, limits and hostile clients in `trials.rs`, signals in `process.rs`.

use std::time::{Duration, Instant};

use elman::cell::Network;
use elman::{Parameters, sequence};
use ndarray::{Array2, Array3};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use crate::client::{Client, Good, Inputs, bits, output, request};
use crate::local::Local;
use crate::model::Source;
use crate::protocol::Session;
use crate::{Result, load, say, trials};

const STEPS: usize = 20;

/// Requests that are wrong for three inputs, and their answers.
const WRONG: [(&str, &str); 16] = [
    ("", r#"{"error":"expected a JSON object with x, token or reset, found ``"}"#),
    ("[1,[1,0,0]]", r#"{"error":"expected a JSON object with x, token or reset, found `[1,[1,0,0]]`"}"#),
    (
        r#"{"x":[1,0"#,
        r#"{"error":"expected a JSON object with x, token or reset, found `{\"x\":[1,0`: EOF while parsing a list at line 1 column 9"}"#,
    ),
    (
        r#"{"y":[1,0,0]}"#,
        r#"{"error":"expected a JSON object with x, token or reset, found `{\"y\":[1,0,0]}`: unknown field `y`, expected one of `id`, `x`, `token`, `reset` at line 1 column 4"}"#,
    ),
    (
        r#"{"x":[NaN,0,0]}"#,
        r#"{"error":"expected a JSON object with x, token or reset, found `{\"x\":[NaN,0,0]}`: expected value at line 1 column 7"}"#,
    ),
    (r#"{"id":null}"#, r#"{"id":null,"error":"expected one of x, token and reset, found none"}"#),
    (r#"{"x":[1,0,0],"token":1}"#, r#"{"error":"expected one of x, token and reset, found x and token"}"#),
    (r#"{"x":[1,0],"id":7}"#, r#"{"id":7,"error":"expected 3 finite numbers in x, found 2: `[1,0]`"}"#),
    (r#"{"x":[]}"#, r#"{"error":"expected 3 finite numbers in x, found 0: `[]`"}"#),
    (r#"{"x":[1e39,0,0]}"#, r#"{"error":"expected 3 finite numbers in x, found `[1e39,0,0]`"}"#),
    (r#"{"x":null}"#, r#"{"error":"expected 3 finite numbers in x, found `null`"}"#),
    (
        r#"{"x":["a string of more than forty characters",0,0]}"#,
        r#"{"error":"expected 3 finite numbers in x, found `[\"a string of more than forty characters…`"}"#,
    ),
    (r#"{"token":3}"#, r#"{"error":"expected a token id below 3, found `3`"}"#),
    (r#"{"token":-1}"#, r#"{"error":"expected a token id below 3, found `-1`"}"#),
    (r#"{"token":1.5}"#, r#"{"error":"expected a token id below 3, found `1.5`"}"#),
    (r#"{"reset":false}"#, r#"{"error":"expected true for reset, found `false`"}"#),
];

pub(crate) async fn run() -> Result<()> {
    let parameters = Source::built_in().load()?;
    let start = Instant::now();
    answers(&parameters).await?;
    wrong_requests(&parameters).await?;
    too_large(&parameters)?;
    round_trip()?;
    trials::limits(&parameters).await?;
    trials::hostile(&parameters).await?;
    #[cfg(unix)]
    {
        crate::process::reload(&parameters).await?;
        crate::process::drain(&parameters).await?;
        crate::process::cut(&parameters).await?;
    }
    let measured = load::measure(&parameters, 50, Duration::from_millis(500)).await?;
    say(format_args!("load: 50 clients at a time, {} answers with the right bits", measured.requests))?;
    say(format_args!("all checks passed in {:.1} s", start.elapsed().as_secs_f64()))?;
    Ok(())
}

/// Compares the answers with the whole sequence, token ids with one-hot vectors, and a reset with a new client.
async fn answers(parameters: &Parameters<f32>) -> Result<()> {
    let n_x = parameters.dims().n_x;
    let mut inputs = Inputs::new(1, n_x);
    let mut requests = Vec::new();
    let mut x = Array3::zeros((n_x, 1, STEPS));
    for t in 0..STEPS {
        let token = t % n_x;
        let xt = if t % 5 == 4 { (0..n_x).map(|i| f32::from(i == token)).collect() } else { inputs.next() };
        requests.push(if t % 5 == 4 { format!(r#"{{"token":{token}}}"#) } else { request(&xt)? });
        xt.iter().enumerate().for_each(|(i, value)| x[[i, 0, t]] = *value);
    }
    let cache = sequence::forward(parameters, &x, &Array2::zeros((parameters.dims().n_a, 1)))?;

    let server = Local::start(parameters, Local::limits(2)).await?;
    let mut client = Client::connect(&server.address).await?;
    for _ in 0..2 {
        for (t, request) in requests.iter().enumerate() {
            let (found, expected) = (client.ask(request).await?, cache.output());
            let expected: Vec<f32> = expected.slice(ndarray::s![.., 0, t]).iter().copied().collect();
            if bits(&output(&found)?) != bits(&expected) {
                return Err(format!("step {t}: expected {expected:?}, found {found}").into());
            }
        }
        expect(&mut client, r#"{"reset":true}"#, r#"{"reset":true}"#).await?;
    }
    for id in ["7", r#""a""#, "null", r#"{"b":[1e400,12345678901234567890.10]}"#] {
        let answer = format!(r#"{{"id":{id},"reset":true}}"#);
        expect(&mut client, &format!("{{\"reset\":true, \"id\": {id} }}\r"), &answer).await?;
    }
    drop(client);
    server.stop().await?;
    say(format_args!(
        "answers: the bits of sequence::forward, for {STEPS} steps and again after a reset; ids come back"
    ))?;
    Ok(())
}

async fn expect(client: &mut Client, request: &str, expected: &str) -> Result<()> {
    let found = client.ask(request).await?;
    if found != expected {
        return Err(format!("`{request}`: expected {expected}, found {found}").into());
    }
    Ok(())
}

/// Checks the errors of wrong requests, with right requests between them.
async fn wrong_requests(parameters: &Parameters<f32>) -> Result<()> {
    let server = Local::start(parameters, Local::limits(1)).await?;
    let mut good = Good::connect(&server.address, parameters, 2).await?;
    for (request, error) in WRONG {
        expect(&mut good.client, request, error).await?;
        good.step().await?;
    }
    drop(good);
    server.stop().await?;
    say(format_args!("wrong requests: {} kinds get their error, and the hidden state stays", WRONG.len()))?;
    Ok(())
}

/// Checks that an output that is not finite is an error, and that the state before it stays.
fn too_large(parameters: &Parameters<f32>) -> Result<()> {
    // The first logit overflows to infinity at positive inputs. At negative ones its probability is 0.
    let mut large = parameters.clone();
    large.wax_mut().fill(2.0);
    large.wya_mut().row_mut(0).fill(f32::MAX);
    let (_publish, networks) = watch::channel(Network::new(&large));
    let (mut session, mut other) = (Session::new(networks.clone()), Session::new(networks));
    let negative = br#"{"x":[-0.25,0,0]}"#;
    if session.answer(negative) != other.answer(negative) {
        return Err("two clients get different answers".into());
    }
    let found = session.answer(br#"{"x":[1,1,1]}"#);
    let expected = r#"{"error":"the output holds NaN: the logits are too large"}"#;
    let (next, as_before) = (session.answer(negative), other.answer(negative));
    if found != expected || next != as_before || !next.starts_with(r#"{"output":[0.0,"#) {
        return Err(format!("an output that is not finite: found {found}, then {next}, expected {as_before}").into());
    }
    say("an output that is not finite: an error, and the hidden state stays")?;
    Ok(())
}

/// Checks that the text of random finite bits gives the same bits.
fn round_trip() -> Result<()> {
    const NUMBERS: usize = 100_000;
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..NUMBERS {
        let number = f32::from_bits(random.next_u32());
        let text = serde_json::to_string(&number)?;
        if number.is_finite() && serde_json::from_str::<f32>(&text)?.to_bits() != number.to_bits() {
            return Err(format!("{number:?} has other bits after `{text}`").into());
        }
    }
    say(format_args!("numbers: {NUMBERS} random bit patterns come back from JSON unchanged"))?;
    Ok(())
}
