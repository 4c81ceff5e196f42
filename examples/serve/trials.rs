//! Checks of the limits, and of hostile clients beside a good one.

use std::time::{Duration, Instant};

use elman::Parameters;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Good, PATIENCE};
use crate::local::Local;
use crate::server::Limits;
use crate::{Result, say};

const LINE: usize = 1 << 15;
/// Much longer than a good client on a busy machine needs for a request.
const IDLE: Duration = Duration::from_secs(2);
const TOO_LONG: &str = "the line is too long: at most 32768 bytes";
const SILENT: &str = "no complete request within 2s";
const TOO_MANY: &str = "too many clients: at most 2 at a time";

/// Checks the number of clients, and the length of a line to the byte.
pub(crate) async fn limits(parameters: &Parameters<f32>) -> Result<()> {
    let server = Local::start(parameters, Limits { line: LINE, ..Local::limits(2) }).await?;
    let mut first = Good::connect(&server.address, parameters, 1).await?;
    let mut second = Good::connect(&server.address, parameters, 2).await?;
    first.steps(3).await?;
    second.step().await?;
    Client::connect(&server.address).await?.expect_end(Some(TOO_MANY)).await?;
    first.step().await?;

    let longest = format!("{:LINE$}", r#"{"reset":true}"#);
    if second.client.ask(&longest).await? != r#"{"reset":true}"# {
        return Err("a line of the largest length is refused".into());
    }
    second.client.send(&format!("{longest} ")).await?;
    second.client.expect_end(Some(TOO_LONG)).await?;
    drop(second);

    // The server frees the place when it sees that the second client has left.
    let start = Instant::now();
    loop {
        let mut third = Client::connect(&server.address).await?;
        // A client that is refused may fail to write its request.
        if third.ask(r#"{"reset":true}"#).await.is_ok_and(|answer| answer == r#"{"reset":true}"#) {
            break;
        }
        if start.elapsed() > PATIENCE {
            return Err("the place of a client that left is not free".into());
        }
        sleep(Duration::from_millis(10)).await;
    }
    first.step().await?;
    drop(first);
    server.stop().await?;
    say("limits: a client too many and a byte too many get an error; a place is free after its client has left")?;
    Ok(())
}

/// Checks that a good client gets right answers during and after everything that a hostile one does.
pub(crate) async fn hostile(parameters: &Parameters<f32>) -> Result<()> {
    let server = Local::start(parameters, Limits { line: LINE, idle: IDLE, ..Local::limits(10) }).await?;
    let address = server.address.as_str();
    let good = Good::connect(address, parameters, 3).await?;
    let (stop, (count, mut answered)) = (CancellationToken::new(), watch::channel(0));
    let working = tokio::spawn(keep_asking(good, stop.clone(), count));

    endless_line(address).await?;
    goes_on(&mut answered).await?;
    garbage(address, parameters).await?;
    goes_on(&mut answered).await?;
    half_a_line(address).await?;
    goes_on(&mut answered).await?;
    tokio::try_join!(silent(address), half_a_line_and_silent(address), never_reading(address))?;
    goes_on(&mut answered).await?;

    stop.cancel();
    working.await??;
    server.stop().await?;
    say("hostile clients: an endless line, garbage, half a line, silence, no reading: each ends alone")?;
    say(format_args!("the good client beside them: {} right answers", *answered.borrow()))?;
    Ok(())
}

async fn keep_asking(mut good: Good, stop: CancellationToken, count: watch::Sender<usize>) -> Result<()> {
    while !stop.is_cancelled() {
        good.step().await?;
        count.send_modify(|count| *count += 1);
    }
    Ok(())
}

/// Waits until the good client has ten more right answers. An error of it drops the sender.
async fn goes_on(answered: &mut watch::Receiver<usize>) -> Result<()> {
    let before = *answered.borrow();
    let more = answered.wait_for(|count| *count >= before + 10).await;
    more.map(drop).map_err(|_| "the good client failed".into())
}

async fn endless_line(address: &str) -> Result<()> {
    let mut client = Client::connect(address).await?;
    client.send_bytes(&vec![b'['; 4 * LINE]).await?;
    client.expect_end(Some(TOO_LONG)).await
}

/// Sends every byte value, invalid UTF-8 and deep nesting. The connection goes on.
async fn garbage(address: &str, parameters: &Parameters<f32>) -> Result<()> {
    let mut good = Good::connect(address, parameters, 4).await?;
    let every: Vec<u8> = (0..=u8::MAX).filter(|byte| *byte != b'\n').collect();
    let nested = [br#"{"x":"#, "[".repeat(LINE / 2).as_bytes()].concat();
    for line in [every.as_slice(), b"{\"id\":\"\xff\xc0\"}", b"\xef\xbb\xbf{}", b"{\"x\":[\0]}", &nested] {
        good.client.send_bytes(&[line, b"\n"].concat()).await?;
        let answer = good.client.receive().await?.unwrap_or_default();
        if !answer.starts_with(r#"{"error":"#) {
            return Err(format!("garbage got the answer {answer}").into());
        }
        good.step().await?;
    }
    Ok(())
}

async fn half_a_line(address: &str) -> Result<()> {
    Client::connect(address).await?.send_bytes(br#"{"x":[1,0"#).await
}

async fn silent(address: &str) -> Result<()> {
    Client::connect(address).await?.expect_end(Some(SILENT)).await
}

async fn half_a_line_and_silent(address: &str) -> Result<()> {
    let mut client = Client::connect(address).await?;
    client.send_bytes(br#"{"x":[1,0"#).await?;
    client.expect_end(Some(SILENT)).await
}

/// Sends requests with long answers and reads none, until the server closes the connection.
async fn never_reading(address: &str) -> Result<()> {
    let mut client = Client::connect(address).await?;
    let request = format!(r#"{{"reset":true,"id":"{}"}}"#, "a".repeat(LINE / 2));
    let start = Instant::now();
    while client.send(&request).await.is_ok() {
        if start.elapsed() > PATIENCE {
            return Err("the server keeps a client that does not read".into());
        }
    }
    Ok(())
}
